"""Groups in two dimensions: tiles of outputs × inputs, and every sample's every channel by itself.

| granularity | weight (O, I, ...) | activation, error (N, C, ...) |
|---|---|---|
| ``block(rxc)`` | r outputs × c inputs of one position | r samples × c channels of one position |
| ``sample*channel`` | one output's one input: a kernel | one sample's one channel: an image |

A tile reads the same in both directions, so that one quantized weight serves the product that sums over its inputs and
the one that sums over its outputs (NVIDIA, arXiv 2509.25149, section 4.3). Where a side is shorter than a tile, the
tile ends there; a last, incomplete one is padded with zeros. Without positions a single element would be its own group
of ``sample*channel``: a matrix has one group for each sample, or output.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lbt.numerics.rounding import Index

if TYPE_CHECKING:
    from torch import Tensor

BOTH = "sample*channel"
_TILE = re.compile(r"block\(([1-9]\d{0,4})x([1-9]\d{0,4})\)")


def tile_size(granularity: str) -> tuple[int, int] | None:
    """(r, c) of ``block(rxc)``, else None."""
    match = _TILE.fullmatch(granularity)
    return (int(match[1]), int(match[2])) if match else None


@dataclass(frozen=True)
class Tiles:
    """A layout (see :class:`lbt.numerics.layout.Layout`) whose groups are tiles.

    Attributes:
        shape: the tensor's shape.
        rows, columns: sides of a tile.
    """

    shape: tuple[int, ...]
    rows: int
    columns: int
    dim: int = 1
    by_column: bool = False

    @property
    def _grid(self) -> tuple[int, int, int]:
        """Tiles along the first dimension, positions, tiles along the second."""
        n, c, *space = self.shape
        return -(-n // self.rows), math.prod(space), -(-c // self.columns)

    def matrix(self, x: Tensor) -> Tensor:
        """``x`` with a tile in each row, row-major in the tile."""
        import torch

        (high, positions, wide), (n, c) = self._grid, self.shape[:2]
        flat = x.reshape(n, c, positions)
        if (n, c) != (high * self.rows, wide * self.columns):
            flat = torch.nn.functional.pad(flat, (0, 0, 0, wide * self.columns - c, 0, high * self.rows - n))
        tiles = flat.view(high, self.rows, wide, self.columns, positions).permute(0, 4, 2, 1, 3)
        return tiles.reshape(-1, self.rows * self.columns)

    def index(self, offset: int) -> Index:
        """The indices count in the matrix's order."""
        return Index(offset)

    def restore(self, matrix: Tensor) -> Tensor:
        """The tensor of shape ``shape`` (channels_last in memory where it has spatial dimensions)."""
        (high, positions, wide), (n, c, *space) = self._grid, self.shape
        tiles = matrix.view(high, positions, wide, self.rows, self.columns).permute(0, 3, 1, 2, 4)
        last = tiles.reshape(high * self.rows, positions, wide * self.columns)[:n, :, :c].reshape(n, *space, c)
        return last.movedim(-1, 1).contiguous() if len(space) == 0 else last.movedim(-1, 1)


@dataclass(frozen=True)
class Stacks:
    """A layout whose groups are ``size`` neighbours along the first dimension, at one position of one channel.

    Its matrix has a group in each column, so that memory is read in long runs whatever the group.
    """

    shape: tuple[int, ...]
    size: int
    dim: int = 0
    by_column: bool = True

    def matrix(self, x: Tensor) -> Tensor:
        """``x`` as (size, stacks · elements per sample); a last, incomplete stack is padded with zeros."""
        import torch

        last = x.movedim(1, -1).contiguous() if x.dim() > 2 else x.contiguous()
        count = -(-len(x) // self.size)
        flat = last.view(len(x), -1)
        if len(x) != count * self.size:
            flat = torch.nn.functional.pad(flat, (0, 0, 0, count * self.size - len(x)))
        return flat.view(count, self.size, -1).transpose(0, 1).reshape(self.size, -1)

    def index(self, offset: int) -> Index:
        """The indices count in the matrix's order."""
        return Index(offset)

    def restore(self, matrix: Tensor) -> Tensor:
        """The tensor of shape ``shape`` (channels_last in memory where it has spatial dimensions)."""
        n, c, *space = self.shape
        count = -(-n // self.size)
        flat = matrix.view(self.size, count, -1).transpose(0, 1).reshape(count * self.size, -1)[:n]
        return flat.view(n, *space, c).movedim(-1, 1) if space else flat.view(n, c)


@dataclass(frozen=True)
class Images:
    """A layout whose groups are the positions of one sample's one channel, (N, C, *space) with space."""

    shape: tuple[int, ...]
    dim: int = 1
    by_column: bool = False

    def matrix(self, x: Tensor) -> Tensor:
        """``x`` with an image in each row."""
        return x.reshape(self.shape[0] * self.shape[1], -1).contiguous()

    def index(self, offset: int) -> Index:
        """The indices count in the matrix's order."""
        return Index(offset)

    def restore(self, matrix: Tensor) -> Tensor:
        """The tensor of shape ``shape``, contiguous."""
        return matrix.reshape(self.shape)
