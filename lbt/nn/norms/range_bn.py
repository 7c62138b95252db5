"""Range batch norm: the spread is the range of the channel, so that no square is summed and no root taken."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

from torch import Tensor

from lbt.errors import LbtError
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

    def of(self, centred: Tensor, n: int) -> Tensor:
        return (centred.amax(reduced(centred)) - centred.amin(reduced(centred))) * range_factor(n)

    def slope(self, normalized: Tensor, n: int) -> Tensor:
        # equal values share the gradient of an extreme: in 8 bits, ties are the rule
        dims = reduced(normalized)
        top = (normalized == normalized.amax(dims, keepdim=True)).to(normalized.dtype)
        bottom = (normalized == normalized.amin(dims, keepdim=True)).to(normalized.dtype)
        top.div_(top.sum(dims, keepdim=True)).sub_(bottom.div_(bottom.sum(dims, keepdim=True)))
        return top.mul_(range_factor(n))


class ChunkedRange(Spread):
    """The mean over ``chunks`` parts of C(l)·(max − min), l being a part's length, 2 at least.

    Parts are consecutive values of a channel in the order (N, *); their lengths differ by one at most.
    """

    def __init__(self, chunks: int) -> None:
        self.chunks = chunks

    def of(self, centred: Tensor, n: int) -> Tensor:
        total, count = centred.new_zeros(centred.shape[1]), 0
        for part in self._parts(centred, n):
            total += (part.amax(2) - part.amin(2)).sum(1) * range_factor(part.shape[2])
            count += part.shape[1]
        return total / count

    def slope(self, normalized: Tensor, n: int) -> Tensor:
        slope = normalized.new_empty(normalized.shape[1], n)
        parts, start = self._parts(normalized, n), 0
        for part in parts:
            top = (part == part.amax(2, keepdim=True)).to(part.dtype)
            bottom = (part == part.amin(2, keepdim=True)).to(part.dtype)
            top.div_(top.sum(2, keepdim=True)).sub_(bottom.div_(bottom.sum(2, keepdim=True)))
            stop = start + part[0].numel()
            slope[:, start:stop] = top.mul_(range_factor(part.shape[2])).flatten(1)
            start = stop
        slope.div_(sum(p.shape[1] for p in parts))
        n_first, _, *space = normalized.shape
        return slope.view(-1, n_first, *space).movedim(0, 1)

    def _parts(self, x: Tensor, n: int) -> list[Tensor]:
        """x (N, C, *) as (C, parts, length) for each of at most two lengths."""
        flat = x.movedim(1, 0).reshape(x.shape[1], n)
        count = max(1, min(self.chunks, n // 2))
        short, longer = divmod(n, count)
        cut = longer * (short + 1)
        parts = [flat[:, :cut].reshape(len(flat), longer, short + 1), flat[:, cut:].reshape(len(flat), -1, short)]
        return [part for part in parts if part.shape[1]]


class RangeBN(SpreadNorm):
    """Range BN (Banner et al. 2018, arXiv 1805.11046, section 3).

    With ``chunks`` m above 1 the range is the mean of the ranges of m parts of a channel's values, as in the authors'
    code (github.com/eladhoffer/quantized.pytorch, where m is 16): it is less noisy, and follows outliers less. In
    hardware the lane is the same; its pair of extremes is read and cleared m times instead of once, and one adder sums
    the ranges: 2m additions per channel that ``cost`` leaves out.

    Training, over the n = N·H·W values of a channel::

        μ = Σx/n    s = max(C(n)·(max x − min x), √ε)    y = γ·(x − μ)/s + β
        dx = γ/s · (dy − Σdy/n − C(n)·(t⁺ − t⁻)·Σ(dy·x̂))    dγ = Σ dy·x̂    dβ = Σ dy

    t⁺ and t⁻ are 1 at the largest and at the smallest value (shared equally among ties) and 0 elsewhere. The running
    variance accumulates s²·n/(n − 1), so evaluation is that of ``nn.BatchNorm2d``.

    Differences from the paper: with its C(n) = 1/√(2 ln n), s lies between 1.2σ (n = 4) and 2σ (n → ∞) for normal
    values; C(n) of :func:`range_factor` makes s an estimate of σ, so that trained networks keep working when their norm
    is replaced. ε is a floor, not a summand. Like the paper's, s is noisy for small batches and follows outliers.

    Args:
        chunks: number of parts, 1 or more; parts have two values at least.

    Raises:
        LbtError: one value per channel in training, or ``chunks`` below 1.
    """

    cost = COST

    def __init__(self, *arguments: Any, chunks: int = 1, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if not isinstance(chunks, int) or chunks < 1:
            raise LbtError(f"{type(self).__name__}: chunks: found {chunks!r}; accepted: whole numbers above 0")
        self.spread = Range() if chunks == 1 else ChunkedRange(chunks)


NORM = RangeBN
