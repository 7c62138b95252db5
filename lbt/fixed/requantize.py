"""From wide sums back to narrow codes, in integer arithmetic: multiplier and shift, or shift alone."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from lbt.errors import LbtError
from lbt.fixed.arithmetic import shift_round
from lbt.numerics.rounding import Key, hash32

Rounding = Literal["nearest", "stochastic"]

NO_KEY = Key()
"""For rounding to nearest, which draws nothing."""


def multiplier(ratio: float) -> tuple[int, int]:
    """(m, shift) with ratio ≈ m · 2^−shift, 2^30 ≤ m < 2^31: relative error up to 2^-31.

    Args:
        ratio: scale of the sums over scale of the codes, positive, 2^-31 … 2^30.

    Raises:
        LbtError: the ratio is outside.
    """
    if not (math.isfinite(ratio) and 2.0**-31 <= ratio < 2.0**30):
        raise LbtError(f"requantization: found a ratio of scales of {ratio!r}; accepted: 2^-31 … 2^30")
    fraction, exponent = math.frexp(ratio)
    m = round(fraction * 2**31)
    return (m, 31 - exponent) if m < 2**31 else (2**30, 30 - exponent)


def requantize(
    total: Tensor,
    m: int,
    shift: int,
    *,
    bits: int = 8,
    rounding: Rounding = "nearest",
    key: Key = NO_KEY,
    offset: int = 0,
) -> Tensor:
    """saturate(round(total · m / 2^shift)).

    Args:
        total: int32 or int64 sums, |total · m| < 2^62.
        m: multiplier, 1 … 2^31 − 1 (1: a shift alone).
        shift: 0 … 62.
        bits: width of the codes, 2 … 16.
        rounding: ``nearest`` (ties to even) or ``stochastic`` (down or up with the probability of the bits dropped,
            of which 32 are compared with a counter's hash).
        key: keys the stochastic rounding.
        offset: index of the first element where ``total`` is a part of a larger batch.

    Returns:
        codes within ±(2^(bits−1) − 1): int8 for up to 8 bits, else int16.

    Raises:
        LbtError: a product could leave 62 bits.
    """
    largest = int(total.abs().max()) if total.numel() else 0
    if largest * m >= 2**62 or not 0 <= shift <= 62:
        raise LbtError(f"requantization: a sum of {largest} times {m} with a shift of {shift} exceeds 62 bits")
    wide = total.to(torch.int64) * m
    top = 2 ** (bits - 1) - 1
    return _round(wide, shift, rounding, key, offset).clamp_(-top, top).to(torch.int8 if bits <= 8 else torch.int16)


def shift_stochastic(x: Tensor, shift: int, key: Key, offset: int = 0) -> Tensor:
    """x / 2^shift, rounded stochastically: int64, |x| < 2^62, shift 0 … 62."""
    if shift == 0:
        return x
    draw = random_bits(x, key, offset)
    return (x + (draw >> (32 - shift) if shift <= 32 else draw << (shift - 32))) >> shift


def random_bits(like: Tensor, key: Key, offset: int = 0) -> Tensor:
    """int64 in [0, 2^32), one for each element, indexed in channel-last order (N, *space, C) from ``offset``."""
    index = torch.arange(like.numel(), dtype=torch.int64, device=like.device) + (offset & 0xFFFFFFFF)
    index = ((index + 2**31) & 0xFFFFFFFF) - 2**31
    bits = hash32(index.to(torch.int32), key).to(torch.int64) & 0xFFFFFFFF
    if like.dim() < 3:
        return bits.view(like.shape)
    n, c, *space = like.shape
    return bits.view(n, *space, c).movedim(-1, 1)


def shift_for(largest: int, bits: int) -> int:
    """The smallest shift that brings sums up to ``largest`` into ``bits`` bits: what a leading-zero counter gives."""
    top = 2 ** (bits - 1) - 1
    shift = max(0, largest.bit_length() - (bits - 1))
    return shift + (largest + (1 << shift >> 1) >> shift > top)


def _round(x: Tensor, shift: int, rounding: Rounding, key: Key, offset: int) -> Tensor:
    return shift_round(x, shift) if rounding == "nearest" else shift_stochastic(x, shift, key, offset)
