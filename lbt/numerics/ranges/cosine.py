"""Direction-sensitive gradient clipping: the limit that turns the gradient's direction least.

Zhu et al., "Towards Unified INT8 Training for Convolutional Neural Network" (arXiv 1912.12607), section 3.3; the paper
descends on the limit every 100 steps, here a ladder is tried every time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from lbt.numerics.ranges._sweep import Sweep

if TYPE_CHECKING:
    from torch import Tensor

    from lbt.numerics.formats import FormatBase


class Rule(Sweep):
    """limit = argmin of the cosine distance 1 - <x, Q(x)> / (|x| |Q(x)|)."""

    rule: Literal["cosine"] = "cosine"

    def limit(self, x: Tensor, dim: int, form: FormatBase) -> Tensor:
        return self.search(x, dim, form, cosine_distance)


def cosine_distance(x: Tensor, q: Tensor, dim: int) -> Tensor:
    """1 - cos of the angle between ``x`` and ``q`` along ``dim`` (kept); 0 where both are zero, 1 where one is."""
    from lbt.numerics.root import square_root

    dot = (x * q).sum(dim, keepdim=True)
    norms = square_root(x.square().sum(dim, keepdim=True) * q.square().sum(dim, keepdim=True))
    both_zero = (x == 0).all(dim, keepdim=True) & (q == 0).all(dim, keepdim=True)
    return 1 - both_zero.float() - dot / norms.clamp_min(1e-30)


def learning_rate_factor(distance: float, alpha: float = 20.0, beta: float = 0.1) -> float:
    """max(exp(-alpha · distance), beta): slow down where quantization turned the gradient (the paper, equation 14).

    Args:
        distance: cosine distance between the float and the quantized gradient, 0 … 2.
        alpha: how fast the factor falls; 20 in the paper.
        beta: the smallest factor; 0.1 in the paper.
    """
    return max(math.exp(-alpha * distance), beta)
