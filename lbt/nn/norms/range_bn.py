"""Range batch norm: the spread is the range of the channel, so that no square is summed and no root taken."""

from __future__ import annotations

from statistics import NormalDist

from torch import Tensor

from lbt.nn.norms._base import reduced
from lbt.nn.norms._cost import INFERENCE, NormCost, Operations, Pass
from lbt.nn.norms._deviation import Spread, SpreadNorm

COST = NormCost(
    forward=Pass(
        # Σx (1 add), running maximum and minimum (2 comparisons), then y = a·x + b
        element=Operations(adds=2, multiplies=1, comparisons=2),
        # μ, s = C(n)·(max − min), floor, a = γ/s, b = β − μa, s², two running averages
        channel=Operations(adds=4, multiplies=8, divides=1, comparisons=1),
        reads=2,
    ),
    backward=Pass(
        # Σdy, Σ dy·x, dx = a·dy + k, and the comparison that finds the extremes
        element=Operations(adds=3, multiplies=2, comparisons=2),
        # dγ = (Σ dy·x − μ Σ dy)/s, k = −a·Σdy/n, ± a·C(n)·dγ at the extremes
        channel=Operations(adds=3, multiplies=5),
        reads=2,
    ),
    inference=INFERENCE,
    lane="range_bn",
    saved_per_element=1,
    saved_per_channel=2,
)


def range_factor(n: int) -> float:
    """C(n): one over the expected range of ``n`` standard normal values, so that C(n)·range estimates σ.

    The expected maximum is Blom's approximation Φ⁻¹((n − 3/8)/(n + 1/4)), within 1 % for all n.
    """
    return 0.5 / NormalDist().inv_cdf((n - 0.375) / (n + 0.25))


class Range(Spread):
    """C(n)·(max − min)."""

    @staticmethod
    def of(centred: Tensor, n: int) -> Tensor:
        return (centred.amax(reduced(centred)) - centred.amin(reduced(centred))) * range_factor(n)

    @staticmethod
    def slope(normalized: Tensor, n: int) -> Tensor:
        # equal values share the gradient of an extreme: in 8 bits, ties are the rule
        dims = reduced(normalized)
        top = (normalized == normalized.amax(dims, keepdim=True)).to(normalized.dtype)
        bottom = (normalized == normalized.amin(dims, keepdim=True)).to(normalized.dtype)
        top.div_(top.sum(dims, keepdim=True)).sub_(bottom.div_(bottom.sum(dims, keepdim=True)))
        return top.mul_(range_factor(n))


class RangeBN(SpreadNorm):
    """Range BN (Banner et al. 2018, arXiv 1805.11046, section 3).

    Training, over the n = N·H·W values of a channel::

        μ = Σx/n    s = max(C(n)·(max x − min x), √ε)    y = γ·(x − μ)/s + β
        dx = γ/s · (dy − Σdy/n − C(n)·(t⁺ − t⁻)·Σ(dy·x̂))    dγ = Σ dy·x̂    dβ = Σ dy

    t⁺ and t⁻ are 1 at the largest and at the smallest value (shared equally among ties) and 0 elsewhere. The running
    variance accumulates s²·n/(n − 1), so evaluation is that of ``nn.BatchNorm2d``.

    Differences from the paper: with its C(n) = 1/√(2 ln n), s lies between 1.2σ (n = 4) and 2σ (n → ∞) for normal
    values; C(n) of :func:`range_factor` makes s an estimate of σ, so that trained networks keep working when their norm
    is replaced. ε is a floor, not a summand. Like the paper's, s is noisy for small batches and follows outliers.

    Raises:
        LbtError: one value per channel in training.
    """

    cost = COST
    spread = Range


NORM = RangeBN
