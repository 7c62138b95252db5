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
    of: Literal["all", "nonzero"] = "all"
    """The elements that the mean runs over. Errors behind a maximum pooling or a ReLU are mostly zeros, which make the
    root mean square of ``all`` small, so that it clips much of the rest: use ``nonzero`` for them."""

    def limit(self, x: Tensor, dim: int, form: FormatBase) -> Tensor:
        from lbt.numerics.root import square_root

        # float64: no overflow, and stable to the last bits
        square = x.double().square()
        if self.of == "nonzero":
            mean = square.sum(dim, keepdim=True) / (x != 0).sum(dim, keepdim=True).clamp_min(1)
        else:
            mean = square.mean(dim, keepdim=True)
        return guard((self.k * square_root(mean)).float(), x, dim)

    def limit_of(self, top: float, mean_square: Callable[[bool], float]) -> float:
        import numpy as np

        return float(np.float32(min(self.k * math.sqrt(mean_square(self.of == "nonzero")), top)))
