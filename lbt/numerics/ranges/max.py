"""The largest magnitude: nothing saturates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from lbt.numerics.ranges._base import RuleBase

if TYPE_CHECKING:
    from torch import Tensor

    from lbt.numerics.formats import FormatBase


class Rule(RuleBase):
    """limit = max|x|."""

    rule: Literal["max"] = "max"

    def limit(self, x: Tensor, dim: int, form: FormatBase) -> Tensor:
        return x.abs().amax(dim, keepdim=True)

    def limit_of(self, top: float, mean_square: Callable[[bool], float]) -> float:
        return top
