"""Fixed-point arithmetic on int64 tensors: rounding shifts, rounding division, integer square root and its reciprocal.

Every function is exact: its result is defined by integers alone, and so is the same on any machine.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lbt.numerics.root import square_root as correct_root


def shift_round(x: Tensor, shift: int | Tensor) -> Tensor:
    """x / 2^shift, rounded to the nearest integer, ties to even.

    Args:
        x: int64, |x| < 2^62.
        shift: 0 … 62, or a tensor of such that broadcasts against ``x``.
    """
    if isinstance(shift, int):
        if shift == 0:
            return x.clone()
        floor = x >> shift
        return floor.bitwise_and_(1).add_((1 << shift >> 1) - 1).add_(x).bitwise_right_shift_(shift)
    half = (torch.ones_like(shift) << shift) >> 1
    lowest = torch.where(shift > 0, half - 1, 0)  # ties and more carry into the next integer ...
    odd = (x >> shift) & (shift > 0)  # ... if the integer below is odd
    return (x + lowest + odd) >> shift


def shift_exact(x: Tensor, shift: int | Tensor) -> Tensor:
    """x · 2^shift for a shift of either sign (rounded to nearest, ties to even, where it is negative)."""
    if isinstance(shift, int):
        return x << shift if shift >= 0 else shift_round(x, -shift)
    return torch.where(shift >= 0, x << shift.clamp_min(0), shift_round(x, (-shift).clamp_min(0)))


def divide_round(x: Tensor, n: int) -> Tensor:
    """x / n, rounded to the nearest integer, halves up. ``n`` is positive, |x| < 2^62."""
    return torch.div(2 * x + n, 2 * n, rounding_mode="floor")


def square_root(x: Tensor) -> Tensor:
    """⌊√x⌋ of int64 tensors, 0 ≤ x < 2^52 (what a digit-by-digit square root unit gives)."""
    # below 2^53 the conversion is exact, and IEEE 754 rounds the root correctly; it can be one too large, never small
    root = correct_root(x.to(torch.float64)).floor().to(torch.int64)
    return root - (root * root > x).to(torch.int64)


def log2_floor(x: Tensor) -> Tensor:
    """Position of the highest set bit of int64 tensors, 1 ≤ x < 2^52 (a priority encoder)."""
    return torch.frexp(x.to(torch.float64)).exponent.to(torch.int64) - 1


def inverse_square_root(x: Tensor) -> tuple[Tensor, Tensor]:
    """1/√x ≈ mantissa · 2^(−29 − h), with a 16-bit mantissa: relative error below 2^-14.

    Normalise x to [2^28, 2^30) by an even shift 2h, take the root of it to 23 bits, divide once.

    Args:
        x: int64, 1 ≤ x < 2^52.

    Returns:
        mantissa: int64 in [2^14, 2^15].
        h: int64 in [−14, 11].
    """
    h = (log2_floor(x) - 28) >> 1
    normal = torch.where(h >= 0, x >> (2 * h).clamp_min(0), x << (-2 * h).clamp_min(0))
    root = square_root(normal << 16)  # √normal · 2^8 in [2^22, 2^23)
    return torch.div((1 << 37) + (root >> 1), root, rounding_mode="floor"), h
