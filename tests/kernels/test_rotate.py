"""Hadamard rotation: orthogonal, the same for both operands of a product, the same bits in the loop and without it."""

from __future__ import annotations

import math

import pytest
import torch

from lbt.errors import LbtError
from lbt.kernels import loops, rotate
from lbt.numerics.rotation import blocks
from lbt.numerics.rounding import Key, hash32
from lbt.recipe import Recipe

KEY = Key(3, 4, "layer", "rotate forward")


def matrix(length: int, size: int, start: int = 0) -> torch.Tensor:
    """The rotation written out: Sylvester's matrices on the diagonal, times the signs."""
    whole, first = torch.zeros(length, length, dtype=torch.float64), 0
    while first < length:
        size = min(size, 2 ** int(math.log2(length - first)))
        h = torch.ones(1, 1, dtype=torch.float64)
        while len(h) < size:
            h = torch.cat([torch.cat([h, h], 1), torch.cat([h, -h], 1)])
        whole[first : first + size, first : first + size] = h / math.sqrt(size)
        first += size
    index = torch.arange(start, start + length, dtype=torch.int32)
    return whole * (1 - 2 * (1 - (hash32(index, KEY) & 1))).double()


@pytest.mark.parametrize("size", [2, 16, 32])
@pytest.mark.parametrize("length", [1, 16, 50, 64])
def test_it_is_the_matrix_that_is_written_down(size: int, length: int) -> None:
    x = torch.randn(length, 7)
    turned = rotate.rotate(x, f"hadamard({size})", 0, KEY, start=5)
    torch.testing.assert_close(turned.double(), matrix(length, size, 5) @ x.double(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(turned.norm(), x.norm())


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_the_loop_has_the_bits_of_the_definition(axis: int, memory: torch.memory_format, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    x = torch.randn(19, 24, 3, 5).contiguous(memory_format=memory)
    found = rotate.rotate(x, "hadamard(16)", axis, KEY)
    monkeypatch.setattr(loops, "loops", lambda: None)
    plain = rotate.rotate(x, "hadamard(16)", axis, KEY)
    assert torch.equal(found, plain)
    assert found.is_contiguous(memory_format=memory)
    expected = torch.einsum("ij,nj...->ni..." if axis else "ij,jn...->in...", matrix(x.shape[axis], 16).float(), x)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_parts_are_rotated_alike() -> None:
    x = torch.randn(2, 24)
    whole = rotate.rotate(x, "hadamard(4)", 1, KEY, parts=3)
    for part in range(3):
        own = slice(8 * part, 8 * part + 8)
        assert torch.equal(whole[:, own], rotate.rotate(x[:, own], "hadamard(4)", 1, KEY))


def test_blocks_cover_any_length() -> None:
    assert blocks(50, 16) == [(0, 16), (16, 16), (32, 16), (48, 2)]
    assert blocks(7, 16) == [(0, 4), (4, 2), (6, 1)]
    assert blocks(0, 16) == []


@pytest.mark.parametrize("word", ["hadamard(3)", "hadamard(1)", "hadamard", "hadamard(2048)", "dct(16)"])
def test_other_words_are_refused(word: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "own.yaml"
    path.write_text(f"W: {{format: int4, rotate: '{word}'}}\nA: int4\n")
    with pytest.raises(LbtError, match=r"hadamard\(n\), n a power of two"):
        Recipe.load(path)


def test_an_outlier_is_spread() -> None:
    x = torch.randn(64, 64) * 0.01
    x[3, 5] = 10.0
    assert float(rotate.rotate(x, "hadamard(16)", 1, KEY).abs().max()) < 3.0
