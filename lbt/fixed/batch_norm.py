"""Batch normalisation in integers: fixed-point mean, variance, reciprocal square root, and the error through them.

All tensors are int64 (what fits in fewer bits in hardware is said where it is computed). Codes have shape (N, C, *),
statistics (C,). Fixed-point numbers carry their fraction bits in the constants below. Batch norm does not care about
the scale of its input, so x is given as codes; only ε has to be brought into their unit.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lbt.fixed.arithmetic import divide_round, inverse_square_root, shift_round

MEAN = 8
"""Fraction bits of means, of x and of the error; the variance has twice as many."""
NORMAL = 11
"""Fraction bits of x̂, a 16-bit number: it saturates at ±16."""
AFFINE = 12
"""Fraction bits of γ, β and y; γ and β are 16-bit numbers: they saturate at ±8."""
ERROR = 30
"""Bits dropped from the input's error."""
LIMIT = 2**15 - 1


class Moments(NamedTuple):
    """Mean (MEAN fraction bits), variance (2·MEAN fraction bits, below 2^52), both int64 (C,)."""

    mean: Tensor
    variance: Tensor


class Scale(NamedTuple):
    """1/√variance as mantissa · 2^(−29 − h), int64 (C,) each."""

    mantissa: Tensor
    h: Tensor


def _channels(v: Tensor, like: Tensor) -> Tensor:
    return v.view(1, -1, *(1,) * (like.dim() - 2))


def channel_sums(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Σx and Σx·y of each channel, exact. Sums of parts of a batch may be added: they do not depend on the split.

    For 16-bit codes and fewer than 2^24 values per channel the second sum stays below 2^54.
    """
    dims = [d for d in range(x.dim()) if d != 1]
    return x.sum(dims), (x * y).sum(dims)


def moments(total: Tensor, squares: Tensor, n: int) -> Moments:
    """Mean and variance from Σq, Σq² over ``n`` values per channel; 16-bit codes, n < 2^24."""
    mean = divide_round(total << MEAN, n)
    # Σq²·2^16/n in two steps, so that nothing exceeds 63 bits
    whole = torch.div(squares, n, rounding_mode="floor")
    part = divide_round((squares - whole * n) << 2 * MEAN, n)
    return Moments(mean, ((whole << 2 * MEAN) + part - mean * mean).clamp_min(0))


def scale_of(variance: Tensor, epsilon: int) -> Scale:
    """1/√(variance + ε), with ε ≥ 1 in the variance's unit."""
    return Scale(*inverse_square_root((variance + epsilon).clamp(1, 2**52 - 1)))


def normalize(x: Tensor, mean: Tensor, scale: Scale) -> Tensor:
    """x̂ = (x − μ)/σ, NORMAL fraction bits, saturated to 16 bits."""
    centred = (x << MEAN) - _channels(mean, x)
    shift = _channels(scale.h + (29 - NORMAL), x)
    return shift_round(centred * _channels(scale.mantissa, x), shift).clamp_(-LIMIT, LIMIT)


def affine(normal: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """y = γ·x̂ + β, AFFINE fraction bits, below 2^20. ``weight`` and ``bias``: int64 (C,), AFFINE fraction bits."""
    return shift_round(normal * _channels(weight, normal), NORMAL) + _channels(bias, normal)


def error(
    dy: Tensor,
    weight: Tensor,
    scale: Scale,
    normal: Tensor | None = None,
    sums: tuple[Tensor, Tensor, int] | None = None,
) -> tuple[Tensor, Tensor]:
    """The input's error from the output's.

    Args:
        dy: 16-bit codes.
        weight: γ, AFFINE fraction bits, 16-bit.
        scale: what x was divided by.
        normal: x̂ as :func:`normalize` gave it; only with ``sums``.
        sums: Σdy, Σdy·x̂ and n of the whole batch; ``None`` when μ and σ are constants (running statistics).

    Returns:
        dx: codes, below 2^26.
        exponent: dx in the unit of dy's codes over x's codes is ``dx · 2^exponent`` (a scalar tensor).
    """
    t = dy << MEAN
    if sums is not None and normal is not None:
        total, product, n = sums
        t -= _channels(divide_round(total << MEAN, n), t)
        # (NORMAL + NORMAL) fraction bits down to MEAN
        t -= shift_round(normal * _channels(divide_round(product, n), t), 2 * NORMAL - MEAN)
    # 1/σ in codes is mantissa · 2^(MEAN − 29 − h); one exponent for all channels, that of the steepest
    steepest = scale.h.min()
    shift = _channels(scale.h - steepest + ERROR, t).clamp_max(62)
    return shift_round(t * _channels(weight * scale.mantissa, t), shift), ERROR - AFFINE - 29 - steepest
