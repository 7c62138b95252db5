"""Arrays on the disk: the same values as in memory, and little memory while they are made."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest

from lbt import mapped
from lbt.errors import LbtError


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every array lies on the disk, and is made a few rows at a time."""
    monkeypatch.setattr(mapped, "LARGE", 0)
    monkeypatch.setattr(mapped, "PART", 100)


def is_mapped(array: np.ndarray) -> bool:
    return isinstance(array.base, np.memmap)


VALUES = np.random.default_rng(0).integers(0, 256, (50, 4, 5, 3), dtype=np.uint8)


def test_each_function_gives_what_numpy_gives(small: None) -> None:
    index = np.random.default_rng(1).permutation(50)[:31]
    found = {
        "take": (mapped.take(VALUES, index), VALUES[index]),
        "contiguous": (mapped.contiguous(VALUES.transpose(0, 3, 1, 2)), VALUES.transpose(0, 3, 1, 2)),
        "joined": (mapped.joined([VALUES, VALUES[:7]]), np.concatenate([VALUES, VALUES[:7]])),
        "made": (
            mapped.made((50, 3), np.float32, lambda rows: VALUES[rows, 0, 0] / 2),
            VALUES[:, 0, 0] / np.float32(2),
        ),
        "read": (mapped.read(io.BytesIO(VALUES.tobytes() + b"more"), VALUES.shape), VALUES),
    }
    for name, (array, expected) in found.items():
        np.testing.assert_array_equal(array, expected, err_msg=name)
        assert is_mapped(array), name
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_a_small_array_lies_in_memory() -> None:
    assert not is_mapped(mapped.empty((3, 3)))
    assert mapped.contiguous(VALUES) is VALUES
    assert mapped.joined([VALUES]) is VALUES


def test_the_file_has_no_name(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    array = mapped.empty((10, 10))
    array[:] = 3
    assert array.sum() == 300
    assert not list(tmp_path.iterdir())


def test_no_room_is_one_line(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(LbtError, match=r"no room for 1,000 bytes of images \(No space left on device\); .*TMPDIR"):
        mapped.empty((1000,))


@pytest.mark.parametrize("number", [None, 95])
def test_a_drive_that_cannot_reserve(small: None, monkeypatch: pytest.MonkeyPatch, number: int | None) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "not supported")

    if number is None:
        monkeypatch.delattr(os, "posix_fallocate")  # as on macOS
    else:
        monkeypatch.setattr(os, "posix_fallocate", refuse)
    array = mapped.empty((10, 10))
    array[:] = 1
    assert array.sum() == 100


@pytest.mark.parametrize("shape", [(51, 4, 5, 3), (2**40, 2**20), (2**62, 9)])
def test_a_header_that_lies_takes_no_room(small: None, shape: tuple[int, ...]) -> None:
    with pytest.raises((ValueError, OverflowError)):
        mapped.read(io.BytesIO(VALUES.tobytes()), shape)
