"""The answers that every number format gives: to quantizers, fast loops, the error analysis and the cost model."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from lbt.config import Section

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST_RANGE = 2.0**-100
"""A group whose range is below this is written as zeros with scale 1 (MX: only one without a number but zero)."""
LARGEST = (2 - 2.0**-23) * 2.0**127
"""The largest finite float32."""


@functools.cache
def largest_scale(reach: float, *, pow2: bool = False) -> float:
    """The largest float32 scale (power of two) with which ``reach`` grid units stay finite; at most 2^128 - 2^104."""
    import numpy as np

    scale = np.float32(min(LARGEST, LARGEST / reach))
    if float(scale) * reach > LARGEST:
        scale = np.nextafter(scale, np.float32(0))
    return math.ldexp(1.0, math.frexp(scale)[1] - 1) if pow2 else float(scale)


class Multiplier(NamedTuple):
    """An operand of a hardware multiplier.

    Attributes:
        exponent: exponent bits; 0 for a fixed-point code.
        mantissa: stored mantissa bits of a float; all bits of a fixed-point code, sign included.
        scale: ``pow2`` (a shift) or ``float`` (a multiplication) when a result is brought to the format.
    """

    exponent: int
    mantissa: int
    scale: Literal["pow2", "float"]


class FormatBase(Section):
    """A grid of representable numbers, and the rule from a group's range to its scale.

    A value is written as a small integer *code*; ``decode(code)`` is a number of the grid, and grid number times the
    group's scale is the value.
    """

    kind: str
    """The name of the format's file."""

    @property
    def storage_bits(self) -> float:
        """Bits for each stored element, shared scales of fixed-size blocks included."""
        raise NotImplementedError

    @property
    def largest(self) -> float:
        """The largest number of the grid (of its symmetric part)."""
        raise NotImplementedError

    @property
    def multiplier(self) -> Multiplier:
        """The operand of a hardware multiplier that takes an element."""
        return self.element_format.multiplier

    @property
    def element_format(self) -> FormatBase:
        """The format of one element: another one where elements share more than a scale, else the format itself."""
        return self

    @property
    def grid(self) -> Literal["integers", "minifloats", "other"]:
        """The spacing of an element's codes, for the fast loops.

        ``integers``: a code is its grid number. ``minifloats``: a code is the sign times the magnitude's bit pattern.
        ``other``: only :meth:`encode` and :meth:`decode` know.
        """
        return "other"

    @property
    def steps(self) -> int | None:
        """Equal steps from zero to ``largest`` of a symmetric grid; None for other grids."""
        return None

    @property
    def code_bits(self) -> int:
        """Bits of the integer that holds a code in memory, sign included."""
        return int(self.element_format.storage_bits) + self.has_zero_point

    @property
    def has_zero_point(self) -> bool:
        """True if codes are moved by a zero point; :meth:`affine` and :meth:`encode_shifted` serve then."""
        return False

    @property
    def granularity(self) -> str | None:
        """The granularity that belongs to the format (``block(32)``), or None where the role chooses."""
        return None

    @property
    def rounding(self) -> Literal["stochastic"] | None:
        """The rounding that is part of the format's definition, a role's default; None where there is none."""
        return None

    @property
    def for_squares(self) -> FormatBase | None:
        """The format of numbers that are never negative, as Adam's second moment; None: their root takes this one."""
        return None

    @property
    def scaled(self) -> bool:
        """True if a scale is found from the data; fp16 and bf16 have none."""
        return True

    def scale_for(self, limit: Tensor) -> Tensor:
        """The scale (> 0) of groups whose magnitudes are to reach ``limit`` (>= 0)."""
        raise NotImplementedError

    def scale_of(self, limit: float) -> float:
        """:meth:`scale_for` of one group."""
        import torch

        return float(self.scale_for(torch.tensor([[limit]])))

    def affine(self, high: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        """(scale, zero point) of groups that reach from ``-low`` (<= 0) to ``high`` (>= 0); float32, whole numbers."""
        raise NotImplementedError

    def bounds(self, zero_point: Tensor | None) -> tuple[Tensor | float, Tensor | float]:
        """The lowest and the highest grid number, for each group where there is a zero point."""
        return -self.largest, self.largest

    def encode(self, v: Tensor, to_integer: Callable[[Tensor], Tensor]) -> Tensor:
        """Codes of ``v`` (a tensor divided by its scale), saturating, ``to_integer`` being the rounding."""
        raise NotImplementedError

    def encode_shifted(self, v: Tensor, zero_point: Tensor, to_integer: Callable[[Tensor], Tensor]) -> Tensor:
        """:meth:`encode` with the zero point already subtracted from the codes, so that code 0 means 0.0."""
        low, high = self.bounds(zero_point)
        return to_integer(v.clamp(low, high))  # type: ignore[arg-type]

    def decode(self, codes: Tensor) -> Tensor:
        """float32 grid numbers of ``codes``."""
        raise NotImplementedError

    def __str__(self) -> str:
        fields = type(self).model_fields
        options = {k: v for k, v in self.model_dump().items() if k != "kind" and v != fields[k].default}
        return self.kind + (f"({', '.join(f'{k}={v}' for k, v in options.items())})" if options else "")
