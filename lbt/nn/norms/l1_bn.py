"""L1 batch norm: the spread is the mean absolute deviation, so that no square is summed and no root taken."""

from __future__ import annotations

import math

from torch import Tensor

from lbt.nn.norms._base import reduced
from lbt.nn.norms._cost import INFERENCE, NormCost, Operations, Pass
from lbt.nn.norms._deviation import Spread, SpreadNorm

COST = NormCost(
    forward=Pass(
        # Σx (1 add); Σ|x − μ| (2 adds) in a second read; then y = a·x + b in a third
        element=Operations(adds=4, multiplies=1),
        # μ, s = √(π/2)/n · Σ|x − μ|, floor, a = γ/s, b = β − μa, s², two running averages
        channel=Operations(adds=3, multiplies=8, divides=1, comparisons=1),
        reads=3,
    ),
    backward=Pass(
        # Σdy, Σ dy·x, dx = a·dy + (k₁ or k₂, chosen by the sign of x − μ)
        element=Operations(adds=3, multiplies=2, comparisons=1),
        channel=Operations(adds=3, multiplies=6),
        reads=2,
    ),
    inference=INFERENCE,
    lane="range_bn",
    saved_per_element=1,
    saved_per_channel=2,
)

TO_SIGMA = math.sqrt(math.pi / 2)
"""E|x − μ| = σ·√(2/π) for normal values."""


class MeanDeviation(Spread):
    """√(π/2)·E|x − μ|."""

    def of(self, centred: Tensor, n: int) -> Tensor:
        return centred.abs().mean(reduced(centred)) * TO_SIGMA

    def slope(self, normalized: Tensor, n: int) -> Tensor:
        sign = normalized.sign()
        return sign.sub_(sign.mean(reduced(sign), keepdim=True)).mul_(TO_SIGMA / n)


class L1BN(SpreadNorm):
    """L1-norm batch norm (Wu et al. 2018, arXiv 1802.09769; Hoffer et al. 2018, arXiv 1803.01814, section 4).

    Training, over the n = N·H·W values of a channel::

        μ = Σx/n    s = max(√(π/2)·Σ|x − μ|/n, √ε)    x̂ = (x − μ)/s    y = γ·x̂ + β
        dx = γ/s · (dy − Σdy/n − √(π/2)/n · (sgn x̂ − Σ sgn x̂/n)·Σ(dy·x̂))    dγ = Σ dy·x̂    dβ = Σ dy

    The factor √(π/2) makes s the standard deviation for normal values, so that trained networks keep working when their
    norm is replaced. The running variance accumulates s²·n/(n − 1); evaluation is that of ``nn.BatchNorm2d``.
    Differences from the papers: ε is a floor, not a summand, and Wu et al. leave the factor to γ.

    Raises:
        LbtError: one value per channel in training.
    """

    cost = COST
    spread = MeanDeviation()


NORM = L1BN
