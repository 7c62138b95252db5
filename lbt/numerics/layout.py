"""The way from a matrix of groups back to a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from lbt.numerics.rounding import Index


class Layout(Protocol):
    """Of a matrix of groups; see :mod:`lbt.numerics.granularity`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""

    @property
    def by_column(self) -> bool:
        """True if groups are columns (channels of an activation) instead of rows."""

    @property
    def dim(self) -> int:
        """The matrix dimension that runs within a group."""

    def index(self, offset: int) -> Index:
        """The indices of the matrix's elements in stochastic draws, ``offset`` being that of the first."""

    def restore(self, matrix: Tensor) -> Tensor:
        """The tensor of shape ``shape``."""


@dataclass(frozen=True)
class Turned:
    """The layout of a tensor whose dimension ``axis`` is taken for its channels.

    Attributes:
        inner: of the tensor with that dimension moved to place 1.
        axis: the dimension.
    """

    inner: Layout
    axis: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        found = list(self.inner.shape)
        found.insert(self.axis, found.pop(1))
        return tuple(found)

    @property
    def by_column(self) -> bool:
        """True if groups are columns instead of rows."""
        return self.inner.by_column

    @property
    def dim(self) -> int:
        """The matrix dimension that runs within a group."""
        return self.inner.dim

    def index(self, offset: int) -> Index:
        """As of the inner layout: the indices count in its order."""
        return self.inner.index(offset)

    def restore(self, matrix: Tensor) -> Tensor:
        """The tensor of shape ``shape``."""
        return self.inner.restore(matrix).movedim(1, self.axis)
