"""Integers of 1 to 16 bits with a scale.

Symmetric: codes -h … h with h = 2^(bits-1) - 1, value = code · scale; two bits are ternary {-1, 0, 1}, one bit is the
sign {-1, 1}. With a zero point (``symmetric=False``): codes 0 … 2^bits - 1, value = (code - zero point) · scale, where
zero is exactly representable. A ``pow2`` scale is a shift; its exponent is the next above (nothing saturates), or the
nearest. A scale is never so large that a code's value would leave float32: the last values then saturate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lbt.numerics.formats._base import LARGEST, SMALLEST_RANGE, FormatBase, Multiplier, largest_scale

if TYPE_CHECKING:
    from torch import Tensor


class Int(FormatBase):
    """``Int(bits=8, scale="float", symmetric=True)``."""

    kind: Literal["int"] = "int"
    bits: int = Field(8, ge=1, le=16)
    """Width of a code, 1 … 16."""
    scale: Literal["float", "pow2"] = "float"
    """Any positive float32, or a power of two (a shift in hardware)."""
    symmetric: bool = True
    """False adds a zero point."""
    shift: Literal["up", "nearest"] = "up"
    """The rounding of a pow2 scale's exponent: ``up`` never saturates, ``nearest`` uses the codes better."""

    @property
    def storage_bits(self) -> float:
        return float(self.bits)

    @property
    def largest(self) -> float:
        return float(max(1, 2 ** (self.bits - 1) - 1))

    @property
    def multiplier(self) -> Multiplier:
        # a zero point is subtracted in front of the multiplier: one bit more
        return Multiplier(0, self.bits + self.has_zero_point, self.scale)

    @property
    def grid(self) -> Literal["integers", "other"]:
        return "integers" if self.bits > 1 else "other"

    @property
    def steps(self) -> int | None:
        return int(self.largest) if self.symmetric else None

    @property
    def has_zero_point(self) -> bool:
        return not self.symmetric

    @property
    def span(self) -> int:
        """Steps between the lowest and the highest code of an asymmetric format."""
        return 2**self.bits - 1

    def scale_for(self, limit: Tensor) -> Tensor:
        import torch

        scale = torch.where(limit < SMALLEST_RANGE, torch.ones_like(limit), limit / self.largest)
        return self._rounded(scale, self.largest)

    def scale_of(self, limit: float) -> float:
        import numpy as np

        if limit < SMALLEST_RANGE:
            return 1.0
        scale = float(np.float32(limit) / np.float32(self.largest))
        if self.scale == "pow2":
            mantissa, exponent = math.frexp(scale)
            scale = math.ldexp(1.0, exponent - (mantissa <= (0.5 if self.shift == "up" else math.sqrt(0.5))))
        return min(scale, self._most(self.largest))

    def affine(self, high: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        import torch

        reach = high + low
        # of two ends near float32's, the sum is beyond it
        step = torch.where(reach.isinf(), (high * 0.5 + low * 0.5) / (0.5 * self.span), reach / self.span)
        scale = self._rounded(torch.where(reach < SMALLEST_RANGE, torch.ones_like(reach), step), 1)
        zero_point = (low / scale).round().clamp(0, self.span)
        # the farthest code from zero stays within float32; a hair less than its end, for the division rounds
        most = LARGEST * (1 - 2.0**-22) / torch.maximum(zero_point, self.span - zero_point)
        return torch.minimum(scale, power_of_two(most, "down") if self.scale == "pow2" else most), zero_point

    def bounds(self, zero_point: Tensor | None) -> tuple[Tensor | float, Tensor | float]:
        return super().bounds(None) if zero_point is None else (-zero_point, self.span - zero_point)

    def _rounded(self, scale: Tensor, reach: float) -> Tensor:
        """``scale`` as the format has scales, none so large that ``reach`` steps of it are not finite."""
        rounded = power_of_two(scale, self.shift) if self.scale == "pow2" else scale
        return rounded.clamp_max(self._most(reach))

    def _most(self, reach: float) -> float:
        return largest_scale(reach, pow2=self.scale == "pow2")

    def encode(self, v: Tensor, to_integer: Callable[[Tensor], Tensor]) -> Tensor:
        if self.bits == 1:  # {-1, 1}: the grid 2k-1 for k in {0, 1}; nearest at 0 takes +1
            k = to_integer((v.clamp(-1, 1) + 1) * 0.5 + 0.0)
            return (2 * k - 1 + (v == 0) * (k == 0) * 2).to(v.dtype)
        return to_integer(v.clamp(-self.largest, self.largest))

    def decode(self, codes: Tensor) -> Tensor:
        return codes.float()

    def __str__(self) -> str:
        return f"{'' if self.symmetric else 'u'}int{self.bits}, {self.scale} scale"


_ALL_BUT_POWERS = 0x7FFFFF
_ABOVE_ROOT = 0x7FFFFF - 0x3504F3
"""Added to a float32's bits, these carry into the exponent when 1.mantissa is above 1, or above √2."""
_CARRY = {"up": _ALL_BUT_POWERS, "nearest": _ABOVE_ROOT, "down": 0}


def power_of_two(scale: Tensor, rounding: str) -> Tensor:
    """Positive, normal float32 ``scale`` as a power of two, the exponent rounded ``up``, ``down``, to the ``nearest``.

    Exact; 2^128 is infinity.
    """
    import torch

    # what of the mantissa is left to the next power carries into the exponent; frexp and ldexp take ten times as long
    bits = scale.view(torch.int32).add(_CARRY[rounding])
    return bits.bitwise_right_shift_(23).bitwise_left_shift_(23).view(torch.float32)


Format = Int
WORDS = ("int8", "int16", "int5", "int4", "int8-pow2", "uint8", "uint2", "uint4", "uint16", "ternary", "sign")


def shorthand(text: str) -> Int | None:
    """``int8``, ``int8-pow2``, ``uint4`` (with zero point), ``ternary``, ``sign``."""
    text = {"ternary": "int2", "sign": "int1"}.get(text, text)
    match = re.fullmatch(r"(u?)int(\d+)(-pow2)?", text)
    if not match or not 1 <= int(match[2]) <= 16:
        return None
    return Int(bits=int(match[2]), scale="pow2" if match[3] else "float", symmetric=not match[1])
