"""A maximum that is remembered from step to step, so that the scale is known before the data are (a delayed scale)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lbt.numerics.ranges._base import RuleBase

if TYPE_CHECKING:
    from torch import Tensor

    from lbt.numerics.formats import FormatBase


class Rule(RuleBase):
    """running = (1 - momentum) · running + momentum · max|x|, starting at the first max|x|."""

    rule: Literal["moving_average"] = "moving_average"
    momentum: float = Field(0.1, gt=0, le=1)
    """Weight of the newest maximum."""
    delayed: bool = False
    """True uses the average before this tensor (hardware needs no second pass); False the one that includes it."""

    @property
    def memory(self) -> bool:
        return True

    def limit(self, x: Tensor, dim: int, form: FormatBase) -> Tensor:
        return x.abs().amax(dim, keepdim=True)

    def limit_of(self, top: float, mean_square: Callable[..., float]) -> float:
        return top

    def remember(self, limit: Tensor, running: Tensor) -> Tensor:
        top = limit.reshape(1)
        before = top.clone() if float(running) < 0 else running.clone()
        running.copy_(before + self.momentum * (top - before))
        return (before if self.delayed else running.clone()).reshape(1, 1)
