"""The two parts of a quantization error, clipping and rounding, measured, and predicted for two distributions.

An integer grid of step Δ = limit / half_steps reaches from −limit to limit. What lies beyond is *clipped*; what lies
within is *rounded*. The two parts of the mean squared error add up exactly, since no element suffers both. Widening the
range trades one for the other; the best clip for a bit width balances them (Banner et al. 2018, arXiv 1810.05723,
section 2, for nearest rounding).

Lengths are in units of the tensor (``limit``, ``sigma``), shares lie in [0, 1], SQNR is in dB, errors are mean squares.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lbt.errors import LbtError, unknown

if TYPE_CHECKING:
    from torch import Tensor

Distribution = Literal["gaussian", "laplace"]
Rounding = Literal["nearest", "stochastic", "floor"]

NOISE = {"nearest": 1 / 12, "stochastic": 1 / 6, "floor": 1 / 3}
"""Mean squared rounding error in steps squared, for values spread evenly over a step."""
WIDEST = 16
"""The most bits that :func:`bits_needed` considers."""


def half_steps(bits: int) -> int:
    """Steps between zero and the limit of a symmetric integer format: 2^(bits−1) − 1, at least 1."""
    return max(1, 2 ** (bits - 1) - 1)


# ------------------------------------------------------------------------------------------------------------ measured


def sqnr(x: Tensor, q: Tensor) -> float:
    """Signal to quantization noise, 10·log10(Σx²/Σ(q − x)²), dB; +inf without error, −inf when only the signal is 0."""
    signal, noise = _square(x), _square(q.double() - x.double())
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def cosine_distance(x: Tensor, q: Tensor) -> float:
    """1 − cos(x, q): how far quantization turns the tensor, 0 … 2 (Zhu et al. 2019, arXiv 1912.12607). Two zeros: 0."""
    a, b = _square(x), _square(q)
    if a == 0 or b == 0:
        return 0.0 if a == b else 1.0
    return 1 - float((x.double() * q.double()).sum()) / math.sqrt(a * b)


def clipped_share(x: Tensor, limit: float | Tensor) -> float:
    """Share of elements with |x| > limit (a number, or a tensor that broadcasts)."""
    return float((x.abs() > limit).double().mean()) if x.numel() else 0.0


def levels_used(codes: Tensor) -> int:
    """Number of distinct codes."""
    return int(codes.unique().numel())


@dataclass(frozen=True)
class Decomposition:
    """Mean squared errors.

    Attributes:
        clipping: of the elements beyond the limit, over all elements.
        rounding: of the others, over all elements.
    """

    clipping: float
    rounding: float

    @property
    def total(self) -> float:
        """The mean squared error."""
        return self.clipping + self.rounding

    @property
    def rounding_share(self) -> float:
        """Rounding's part of the total, 0 when there is no error."""
        return self.rounding / self.total if self.total else 0.0


def decompose(x: Tensor, q: Tensor, limit: float | Tensor) -> Decomposition:
    """The mean squared error of ``q`` against ``x``, split at ``limit`` (a number, or a tensor that broadcasts)."""
    if x.shape != q.shape:
        raise LbtError(f"error analysis: found tensors of shape {tuple(x.shape)} and {tuple(q.shape)}; accepted: equal")
    if not x.numel():
        return Decomposition(0.0, 0.0)
    square = (q.double() - x.double()).square()
    beyond = x.abs() > limit
    clipping = float(square[beyond].sum()) / x.numel()
    return Decomposition(clipping, float(square[~beyond].sum()) / x.numel())


def sweep(x: Tensor, bits: Sequence[int], limits: Sequence[float]) -> list[dict[str, float]]:
    """Clipping and rounding error (nearest) as functions of range and bits.

    Returns:
        One row for each pair: ``bits``, ``limit``, ``clipping``, ``rounding``, ``clipped_share``, ``sqnr``.
    """
    rows = []
    for b in bits:
        for limit in limits:
            q = to_grid(x, limit, half_steps(b))
            parts = decompose(x, q, limit)
            rows.append(
                {
                    "bits": b,
                    "limit": float(limit),
                    "clipping": parts.clipping,
                    "rounding": parts.rounding,
                    "clipped_share": clipped_share(x, limit),
                    "sqnr": sqnr(x, q),
                }
            )
    return rows


def to_grid(x: Tensor, limit: float | Tensor, steps: int) -> Tensor:
    """``x`` on the grid of ``steps`` steps from zero to ``limit`` (or a tensor that broadcasts), nearest, float64."""
    if isinstance(limit, (int, float)) and not limit > 0:
        raise LbtError(f"error analysis: limit: found {limit!r}; accepted: above 0")
    step = limit / steps
    return (x.double() / step).round().clamp(-steps, steps) * step


def bits_needed_by(x: Tensor, budget: float, limit: float | Tensor) -> int | None:
    """The fewest bits (2 … 16) with which ``x`` itself, rounded to nearest up to ``limit``, reaches ``budget`` dB.

    ``None`` when no width does: the limit clips too much, and a wider range is needed.
    """
    return next((b for b in range(2, WIDEST + 1) if sqnr(x, to_grid(x, limit, half_steps(b))) >= budget), None)


# ----------------------------------------------------------------------------------------------------------- predicted


def predicted(
    distribution: Distribution, limit: float, steps: float, *, sigma: float = 1.0, rounding: Rounding = "nearest"
) -> Decomposition:
    """The errors expected for a zero-mean tensor of standard deviation ``sigma``.

    With α the limit, φ and Q the normal density and tail, and b = σ/√2::

        Gaussian clipping  2[(σ² + α²)·Q(α/σ) − ασ·φ(α/σ)]      Laplace clipping  2b²·e^(−α/b)
        rounding           Δ²/12 · P(|x| ≤ α)  (nearest; twice that for stochastic, four times for floor), Δ = α/steps

    The rounding term takes the density as constant over a step: at the best clip it is within 2 % for 4 bits and more,
    within 6 % for 3, and useless for ternary numbers. Banner et al. put 2^(bits−1) steps and leave out P(|x| ≤ α).
    """
    if not (limit > 0 and sigma > 0 and steps > 0):
        raise LbtError(f"error analysis: found limit {limit!r}, sigma {sigma!r}, steps {steps!r}; accepted: above 0")
    ratio = limit / sigma
    match distribution:
        case "gaussian":
            tail, density = 0.5 * math.erfc(ratio / math.sqrt(2)), math.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi)
            # the two terms cancel far out: their difference is below the last digit there, not negative
            clipping = max(0.0, 2 * ((1 + ratio**2) * tail - ratio * density))
            outside = 2 * tail
        case "laplace":
            outside = math.exp(-ratio * math.sqrt(2))
            clipping = outside
        case _:
            raise unknown("distribution", distribution, ["gaussian", "laplace"])
    if rounding not in NOISE:
        raise unknown("rounding", rounding, NOISE)
    return Decomposition(clipping * sigma**2, NOISE[rounding] * (limit / steps) ** 2 * (1 - outside))


def predicted_sqnr(distribution: Distribution, ratio: float, steps: float, rounding: Rounding = "nearest") -> float:
    """Expected SQNR, dB, with the limit at ``ratio`` standard deviations."""
    return -10 * math.log10(predicted(distribution, ratio, steps, rounding=rounding).total)


@functools.cache
def optimal_clip(distribution: Distribution, steps: float, rounding: Rounding = "nearest") -> float:
    """The limit, in standard deviations, with the least expected error."""
    from scipy.optimize import minimize_scalar

    def error(ratio: float) -> float:
        return math.log(predicted(distribution, ratio, steps, rounding=rounding).total)

    # a coarse scan first: with few steps the error falls again towards limit 0, where everything is clipped
    grid = np.geomspace(0.5, 40, 200)
    best = int(np.argmin([error(r) for r in grid]))
    bounds = (grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)])
    return float(minimize_scalar(error, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x)


def bits_needed(distribution: Distribution, budget: float, rounding: Rounding = "nearest") -> int | None:
    """The fewest bits (2 … 16) whose best clip is expected to reach ``budget`` dB; ``None`` when 16 do not."""
    for bits in range(2, WIDEST + 1):
        steps = half_steps(bits)
        if predicted_sqnr(distribution, optimal_clip(distribution, steps, rounding), steps, rounding) >= budget:
            return bits
    return None


def _square(x: Tensor) -> float:
    return float(x.double().square().sum())
