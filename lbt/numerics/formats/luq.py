"""LUQ, the logarithmic unbiased quantization of errors: zero and powers of two, rounded so that the mean is exact.

Chmiel et al., "Accurate Neural Training with 4-bit Matrix Multiplications at Standard Formats" (arXiv 2112.10769),
sections 3 and 4: a sign and ``bits`` − 1 exponent bits, levels α·2^k for k = 0 … 2^(bits−1) − 2. Below α, stochastic
underflow takes 0 or α; between two levels, stochastic rounding takes one of them; both with the probability that makes
the mean equal the value. α is the limit divided by the largest level, so that nothing below the limit is clipped.

An element is an exponent: a product by it is a shift of the other operand, and of two of them a sum of exponents.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lbt.numerics.formats._base import FormatBase
from lbt.numerics.formats.float import Float

if TYPE_CHECKING:
    from torch import Tensor


class LUQ(FormatBase):
    """``LUQ(bits=4)``."""

    kind: Literal["luq"] = "luq"
    bits: int = Field(4, ge=2, le=6)
    """Sign and exponent bits, 2 … 6."""

    @property
    def storage_bits(self) -> float:
        return float(self.bits)

    @cached_property
    def element_format(self) -> Float:
        """The minifloat without mantissa that has the levels."""
        return Float(exponent=self.bits - 1, mantissa=0)

    @property
    def largest(self) -> float:
        return self.element_format.largest

    @property
    def rounding(self) -> Literal["stochastic"]:
        return "stochastic"

    def scale_for(self, limit: Tensor) -> Tensor:
        return self.element_format.scale_for(limit)

    def encode(self, v: Tensor, to_integer: Callable[[Tensor], Tensor]) -> Tensor:
        return self.element_format.encode(v, to_integer)

    def decode(self, codes: Tensor) -> Tensor:
        return self.element_format.decode(codes)


Format = LUQ
WORDS = ("luq4", "luq3")


def shorthand(text: str) -> LUQ | None:
    """``luq4``: a sign and three exponent bits; ``luq2`` to ``luq6``."""
    match = re.fullmatch(r"luq([2-6])", text)
    return LUQ(bits=int(match[1])) if match else None
