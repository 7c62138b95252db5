"""The answers that every range rule gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lbt.config import Section

if TYPE_CHECKING:
    from torch import Tensor

    from lbt.numerics.formats import FormatBase


class RuleBase(Section):
    """From the magnitudes of each group to the limit beyond which they saturate."""

    rule: str
    """The name of the rule's file."""

    @property
    def memory(self) -> bool:
        """True if the rule keeps a running limit from step to step (granularity ``tensor`` only)."""
        return False

    @property
    def learned(self) -> bool:
        """True if the limit comes from a parameter of the layer (roles W and A), whose state ``reach`` takes."""
        return False

    def below_zero(self) -> RuleBase:
        """The rule for the part of the data below zero, where a format has a zero point."""
        return self

    def limit(self, x: Tensor, dim: int, form: FormatBase) -> Tensor:
        """The limit (>= 0) of each group, ``dim`` of the matrix ``x`` kept as size 1.

        Args:
            x: float32 matrix, groups along the other dimension; only the magnitudes count.
            dim: the dimension within a group.
            form: the format that the limit is for.

        A NaN or infinity in a group makes its limit not finite; the caller reports it.
        """
        raise NotImplementedError

    def limit_of(self, top: float, mean_square: Callable[[bool], float]) -> float | None:
        """:meth:`limit` of one group from two numbers that one pass finds, float32; None where they do not suffice.

        Args:
            top: the largest magnitude.
            mean_square: gives the mean of the squares, float64; of those that are not zero if its argument is true.
        """
        return None

    def reach(self, x: Tensor, form: FormatBase, state: Tensor) -> tuple[Tensor, Tensor]:
        """(high, low) of the only group by the ``state`` of a rule that is :attr:`learned`."""
        raise NotImplementedError

    def remember(self, limit: Tensor, running: Tensor) -> Tensor:
        """The limit to use now, from this call's own and the ``running`` one (< 0 at first), which is updated."""
        return limit


def guard(limit: Tensor, x: Tensor, dim: int) -> Tensor:
    """``limit``, at most the group's maximum, and not finite where the group holds a NaN or infinity."""
    import torch

    top = x.abs().amax(dim, keepdim=True)
    return torch.where(torch.isfinite(top), torch.minimum(limit, top), top)
