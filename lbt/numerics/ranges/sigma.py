"""k standard deviations about zero: a few outliers saturate, the rest keep more codes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lbt.numerics.ranges._base import RuleBase, guard

if TYPE_CHECKING:
    from torch import Tensor

    from lbt.numerics.formats import FormatBase


class Rule(RuleBase):
    """limit = min(k · sqrt(mean x²), max|x|): the root mean square, for tensors whose mean is near zero."""

    rule: Literal["sigma"] = "sigma"
    k: float = Field(4.0, gt=0, le=1e6)
    """Multiples of the root mean square."""

    def limit(self, x: Tensor, dim: int, form: FormatBase) -> Tensor:
        from lbt.numerics.root import square_root

        # float64: no overflow, and stable to the last bits
        rms = square_root(x.double().square().mean(dim, keepdim=True))
        return guard((self.k * rms).float(), x, dim)

    def limit_of(self, top: float, mean_square: Callable[[], float]) -> float:
        import numpy as np

        return min(float(np.float32(self.k * math.sqrt(mean_square()))), top)
