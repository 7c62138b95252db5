"""Large gradients count more: the least magnitude-weighted error.

After the magnitude-aware clipping of "Distribution Adaptive INT8 Quantization for Training CNNs" (arXiv 2102.04782).
The paper weights errors by the magnitude and gives approximate closed forms for two shapes of distribution; here the
weighted error itself is minimised on a ladder of limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lbt.numerics.ranges._sweep import Sweep

if TYPE_CHECKING:
    from torch import Tensor

    from lbt.numerics.formats import FormatBase


class Rule(Sweep):
    """limit = argmin Σ |x| (x - Q(x))²."""

    rule: Literal["magnitude_aware"] = "magnitude_aware"

    def limit(self, x: Tensor, dim: int, form: FormatBase) -> Tensor:
        return self.search(x, dim, form, lambda a, q, d: (a.abs() * (a - q).square()).sum(d, keepdim=True))
