"""The groups of a tensor's elements that share one scale.

Every quantizer sees a tensor as a *matrix* in channel-last order (images become N·H·W·C) in which each group is a row,
or, for the channels of an activation, a column. The index of an element in channel-last order, without padding, keys
stochastic rounding: the batch is the slowest dimension, so a part of a batch that starts at sample ``n`` starts at
element ``n · elements per sample``, and draws what it draws in the whole.

| granularity | weight (O, I, ...) | activation, error (N, C, ...) |
|---|---|---|
| ``tensor``   | one row                   | one row |
| ``channel``  | one row for each output   | one column for each channel |
| ``sample``   | (refused)                 | one row for each sample |
| ``block(n)`` | n inputs of one position  | n channels of one position; a last, shorter block is padded with zeros |
| ``run(n)``   | n elements of the whole tensor that follow each other; the last are padded with zeros | the same |

Groups in two dimensions, ``block(rxc)`` and ``sample*channel``: :mod:`lbt.numerics.tiles`. Along another dimension than
the channels, ``block(n)`` has n neighbours of that one (``axis`` of :func:`to_matrix`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from lbt.numerics.layout import Layout as Layout
from lbt.numerics.layout import Turned
from lbt.numerics.rounding import Index
from lbt.numerics.tiles import BOTH, Images, Stacks, Tiles, tile_size

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT_ROLES = frozenset("WGU")
"""Roles whose tensors have a weight's layout; the others are laid out like an activation."""


def _check(text: str) -> str:
    text = text.replace(" ", "")
    words = ("tensor", "channel", "sample", BOTH)
    if text not in words and not re.fullmatch(r"(block|run)\([1-9]\d{0,4}\)", text) and not tile_size(text):
        raise ValueError(
            f"found {text!r}; accepted: {', '.join(words)}, block(n), block(rxc), run(n), up to 99999, for example "
            "block(32)"
        )
    return text


Granularity = Annotated[str, AfterValidator(_check)]
"""``tensor``, ``channel``, ``sample``, ``sample*channel``, ``block(n)``, ``block(rxc)`` or ``run(n)``."""


def block_size(granularity: str) -> int | None:
    """The n of ``block(n)``, else None."""
    return int(granularity[6:-1]) if granularity.startswith("block(") and "x" not in granularity else None


def run_size(granularity: str) -> int | None:
    """The n of ``run(n)``, else None."""
    return int(granularity[4:-1]) if granularity.startswith("run(") else None


@dataclass(frozen=True)
class Runs:
    """The layout whose groups are runs of the tensor in channel-last order; the last one is padded.

    Attributes:
        shape: the tensor's own shape.
    """

    shape: tuple[int, ...]
    dim: int = 1
    by_column: bool = False

    def matrix(self, last: Tensor, size: int) -> Tensor:
        """A run in each row, from the tensor in channel-last order."""
        flat = last.reshape(1, -1)
        size = min(size, flat.shape[1])
        whole = -(-flat.shape[1] // size) * size
        return (flat if whole == flat.shape[1] else _pad(flat, whole)).view(-1, size)

    def index(self, offset: int) -> Index:
        """The indices of the matrix's elements, ``offset`` being that of the first; padding comes after all others."""
        return Index(offset)

    def restore(self, matrix: Tensor) -> Tensor:
        """The tensor of shape ``shape`` (channels_last in memory where it has spatial dimensions)."""
        flat = matrix.reshape(-1)[: math.prod(self.shape)]
        if len(self.shape) < 3:
            return flat.view(self.shape)
        n, c, *space = self.shape
        return flat.view(n, *space, c).movedim(-1, 1)


@dataclass(frozen=True)
class Lines:
    """The layout whose groups are rows, or columns, of the tensor in channel-last order.

    Attributes:
        shape: the tensor's own shape.
        width: last dimension in channel-last order before padding (channels).
        padded: the same after padding to whole blocks.
        by_column: groups are columns (channels of an activation) instead of rows.
    """

    shape: tuple[int, ...]
    width: int
    padded: int
    by_column: bool

    @property
    def dim(self) -> int:
        """The matrix dimension that runs within a group."""
        return 0 if self.by_column else 1

    def index(self, offset: int) -> Index:
        """The indices of the matrix's elements, ``offset`` being that of the first: padding counts for nothing."""
        return Index(offset, self.padded, self.padded - self.width)

    def restore(self, matrix: Tensor) -> Tensor:
        """The tensor of shape ``shape`` (channels_last in memory where it has spatial dimensions)."""
        if self.padded != self.width:
            matrix = matrix.reshape(-1, self.padded)[:, : self.width]
        if len(self.shape) < 3:
            return matrix.reshape(self.shape)
        n, c, *space = self.shape
        return matrix.reshape(n, *space, c).movedim(-1, 1)


def channel_last(x: Tensor) -> Tensor:
    """``x`` (N, C, *space) as a contiguous (N, *space, C); a view when its memory is so already."""
    return x.movedim(1, -1).contiguous() if x.dim() > 2 else x.contiguous()


def to_matrix(x: Tensor, granularity: str, role: str, axis: int = 1) -> tuple[Tensor, Layout]:
    """``x`` as a matrix of groups (see the module's table) and the way back. No copy where memory allows it.

    Args:
        x: tensor.
        granularity, role: see the table.
        axis: the dimension that counts as channels.
    """
    if axis == 0 and x.dim() > 1 and (size := block_size(granularity)) and x.numel():
        stacks = Stacks(tuple(x.shape), min(size, len(x)))
        return stacks.matrix(x), stacks
    if axis != 1 and x.dim() > 1:
        matrix, inner = to_matrix(x.movedim(axis, 1), granularity, role)
        return matrix, Turned(inner, axis)
    shape = tuple(x.shape)
    if x.dim() > 1 and (tile := tile_size(granularity)):
        tiles = Tiles(shape, min(tile[0], shape[0]), min(tile[1], shape[1]))
        return tiles.matrix(x), tiles
    if x.dim() > 2 and granularity == BOTH:
        images = Images(shape)
        return images.matrix(x), images
    last = channel_last(x)
    width = last.shape[-1] if last.dim() else 1
    weight = role[0] in WEIGHT_ROLES
    rows = shape[0] if shape else 1
    if (size := run_size(granularity)) and last.numel():
        runs = Runs(shape)
        return runs.matrix(last, size), runs
    if size := block_size(granularity):
        padded = -(-width // size) * size if width > size else width
        if padded != width:
            last = _pad(last.reshape(-1, width), padded)
        return last.reshape(-1, min(size, padded)), Lines(shape, width, padded, False)
    if granularity == "channel" and not weight and x.dim() > 1:
        return last.reshape(-1, width), Lines(shape, width, width, True)
    per_row = granularity in ("channel", "sample", BOTH) and x.dim() > 1
    return last.reshape(rows if per_row else 1, -1), Lines(shape, width, width, False)


def _pad(matrix: Tensor, width: int) -> Tensor:
    padded = matrix.new_zeros(matrix.shape[0], width)
    padded[:, : matrix.shape[1]] = matrix
    return padded
