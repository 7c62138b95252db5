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
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from lbt.numerics.rounding import Index

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT_ROLES = frozenset("WGU")
"""Roles whose tensors have a weight's layout; the others are laid out like an activation."""


def _check(text: str) -> str:
    text = text.replace(" ", "")
    if text not in ("tensor", "channel", "sample") and not re.fullmatch(r"block\([1-9]\d{0,4}\)", text):
        raise ValueError(
            f"found {text!r}; accepted: tensor, channel, sample, block(n), n up to 99999, for example block(32)"
        )
    return text


Granularity = Annotated[str, AfterValidator(_check)]
"""``tensor``, ``channel``, ``sample`` or ``block(n)``."""


def block_size(granularity: str) -> int | None:
    """The n of ``block(n)``, else None."""
    return int(granularity[6:-1]) if granularity.startswith("block(") else None


@dataclass(frozen=True)
class Layout:
    """The way from a matrix of groups back to the tensor.

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


def to_matrix(x: Tensor, granularity: str, role: str) -> tuple[Tensor, Layout]:
    """``x`` as a matrix of groups (see the module's table) and the way back. No copy where memory allows it."""
    shape = tuple(x.shape)
    last = channel_last(x)
    width = last.shape[-1] if last.dim() else 1
    weight = role[0] in WEIGHT_ROLES
    rows = shape[0] if shape else 1
    if size := block_size(granularity):
        padded = -(-width // size) * size if width > size else width
        if padded != width:
            last = _pad(last.reshape(-1, width), padded)
        return last.reshape(-1, min(size, padded)), Layout(shape, width, padded, False)
    if granularity == "channel" and not weight and x.dim() > 1:
        return last.reshape(-1, width), Layout(shape, width, width, True)
    per_row = granularity in ("channel", "sample") and x.dim() > 1
    return last.reshape(rows if per_row else 1, -1), Layout(shape, width, width, False)


def _pad(matrix: Tensor, width: int) -> Tensor:
    padded = matrix.new_zeros(matrix.shape[0], width)
    padded[:, : matrix.shape[1]] = matrix
    return padded
