"""Sets that are larger than memory: every reader gives the same images with all arrays on the disk."""

from __future__ import annotations

import importlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from lbt import mapped
from lbt.artifacts import Images, read_images, write_images
from lbt.data import DomainSpec, load_domain
from lbt.data.images import convert
from lbt.data.splits import Splits

silent = importlib.import_module("test_never_silent")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every array lies on the disk, and is made a few rows at a time."""
    monkeypatch.setattr(mapped, "LARGE", 0)
    monkeypatch.setattr(mapped, "PART", 2000)


def assert_same(one: Splits, other: Splits) -> None:
    assert (one.notes, one.skipped) == (other.notes, other.skipped)
    for (_, a), (_, b) in zip(one.items(), other.items(), strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        np.testing.assert_array_equal(a.labels, b.labels)
        assert (a.classes, a.columns) == (b.classes, b.columns)


@pytest.mark.parametrize("reader", sorted(silent.READERS))
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_every_reader(workspace: Path, monkeypatch: pytest.MonkeyPatch, reader: str, dtype: type) -> None:
    if dtype == np.float32 and reader in ("wav", "idx"):
        dtype = np.uint8  # they hold no other numbers
    path, write = silent.READERS[reader]
    write(silent.PIXELS.astype(dtype), silent.LABELS, None)
    spec = DomainSpec(kind="folder" if reader in silent.TEXT else "arrays", path=path, size=16, channels=3)
    expected = load_domain(spec)
    monkeypatch.setattr(mapped, "LARGE", 0)
    monkeypatch.setattr(mapped, "PART", 500)
    found = load_domain(spec)
    assert_same(found, expected)
    assert isinstance(found.train.pixels.base, np.memmap)


def test_an_image_table_comes_back(workspace: Path, disk: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lbt.artifacts.GROUP", 3000)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    images = Images(pixels, np.arange(40) % 3 - 1, ("a", "b"), {"user": ["ann"] * 40})
    write_images("t.parquet", images)
    found = read_images("t.parquet")
    np.testing.assert_array_equal(found.pixels, pixels)
    np.testing.assert_array_equal(found.labels, images.labels)
    assert found.columns == images.columns
    import pyarrow.parquet as pq

    assert pq.ParquetFile("t.parquet").num_row_groups == 3  # of 3000 bytes: 15 images


@pytest.mark.parametrize(("channels", "size"), [(1, None), (3, 20), (1, 9), (None, 32)])
def test_conversion_in_parts(disk: None, channels: int | None, size: int | None) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    images = Images(pixels, np.zeros(40, np.int64), ("a",))
    found = convert(images, channels, size).pixels
    mapped.PART = 1 << 30
    np.testing.assert_array_equal(found, convert(images, channels, size).pixels)


def test_little_memory_for_many_images(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """12 MB of pixels; NumPy's arrays are counted, and those on the disk are not."""
    pixels = np.random.default_rng(0).integers(0, 256, (4000, 32, 32, 3), dtype=np.uint8)
    np.savez_compressed("mine.npz", images=pixels, labels=np.arange(4000) % 2)
    del pixels
    monkeypatch.setattr(mapped, "LARGE", 1 << 18)
    monkeypatch.setattr(mapped, "PART", 1 << 18)
    tracemalloc.start()
    splits = load_domain(DomainSpec(kind="arrays", path="mine.npz", channels=1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(splits.train) == 2800
    assert peak < 4_000_000
