"""Trying a ladder of limits and keeping the best; what *best* means is the rule's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import Field

from lbt.numerics.ranges._base import RuleBase, guard

if TYPE_CHECKING:
    from torch import Tensor

    from lbt.numerics.formats import FormatBase


class Sweep(RuleBase):
    """limit = max|x| · (the ladder's step with the least loss), judged on nearest rounding.

    Losses are computed in units of a power of two near max|x|, so that no square leaves float32 at either end.
    """

    steps: int = Field(20, ge=2, le=200)
    """Number of limits that are tried."""
    lowest: float = Field(0.1, gt=0, lt=1)
    """The smallest of them, relative to max|x|; the largest is max|x|."""
    sample: int | None = Field(None, ge=64, le=2**31)
    """At most so many elements of a group, evenly spaced, are looked at: faster, but it misses outliers. Null: all."""

    def search(self, x: Tensor, dim: int, form: FormatBase, loss: Callable[[Tensor, Tensor, int], Tensor]) -> Tensor:
        """The limit of each group that makes ``loss(x, quantized x, dim)`` (per group, dim kept) least."""
        import torch

        from lbt.numerics.formats.int import power_of_two

        top = x.abs().amax(dim, keepdim=True)
        stride = -(-x.shape[dim] // self.sample) if self.sample else 1
        part = x[:, ::stride] if dim == 1 else x[::stride]
        unit = power_of_two(top.clamp(2.0**-126, 2.0**127), "nearest")
        seen = part / unit
        best, least = top.clone(), torch.full_like(top, float("inf"))
        for factor in torch.linspace(self.lowest, 1.0, self.steps).tolist():
            scale = form.scale_for(top * factor)
            found = loss(seen, form.decode(form.encode(part / scale, torch.round)) * (scale / unit), dim)
            better = found < least
            best, least = torch.where(better, top * factor, best), torch.where(better, found, least)
        return guard(best, x, dim)
