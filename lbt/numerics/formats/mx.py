"""OCP Microscaling (MX): 32 elements share a power-of-two scale E8M0.

OCP Microscaling Formats specification v1.0, section 6.3: scale = 2^(floor(log2(max|x|)) - emax), emax being the
exponent of the element format's largest normal number, from 2^-127 to 2^127; elements beyond the largest saturate.
Element formats: E4M3, E5M2, E3M2, E2M3, E2M1 and INT8 (two's complement with an implied scale of 2^-6, here symmetric
as in our integers).

**Stochastic rounding is biased under that scale** where a block's largest magnitude lies above the largest element: it
saturates, and its mean is too small. Of blocks of 32 normal values that concerns 30 % with E2M1, 17 % with E3M2, E4M3
and E5M2, 9 % with E2M3 and 1 % with INT8 elements (``benchmarks/numerics.py``). ``shift: up`` (``mxe2m1-up``) takes the
smallest power of two with which nothing saturates, as Mishra et al., "Recipes for Pre-training LLMs with MXFP8"
(arXiv 2506.08027), do; every element is then unbiased, and such a block's step twice as large.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lbt.numerics.formats._base import FormatBase, Multiplier
from lbt.numerics.formats.float import Float
from lbt.numerics.formats.int import Int

if TYPE_CHECKING:
    from torch import Tensor

_ELEMENTS: dict[str, Float | Int] = {
    "e4m3": Float(exponent=4, mantissa=3, specials="fn"),
    "e5m2": Float(exponent=5, mantissa=2, specials="ieee"),
    "e3m2": Float(exponent=3, mantissa=2),
    "e2m3": Float(exponent=2, mantissa=3),
    "e2m1": Float(exponent=2, mantissa=1),
    "int8": Int(bits=8),
    "int4": Int(bits=4),
}


class MX(FormatBase):
    """``MX(element="e4m3", block=32)``."""

    kind: Literal["mx"] = "mx"
    element: Literal["e4m3", "e5m2", "e3m2", "e2m3", "e2m1", "int8", "int4"] = "e4m3"
    """Format of an element. int4 is not in the OCP list; it is int8's definition at four bits."""
    block: int = Field(32, ge=1, le=65536)
    """Elements (along the channels) that share a scale; 32 in the specification."""
    shift: Literal["down", "up"] = "down"
    """The rounding of the scale's exponent: ``down`` as specified, ``up`` never saturates, so that stochastic rounding
    is unbiased."""

    @property
    def storage_bits(self) -> float:
        return self.element_format.storage_bits + 8 / self.block

    @property
    def element_format(self) -> Float | Int:
        """The element's format."""
        return _ELEMENTS[self.element]

    @property
    def largest(self) -> float:
        return self.element_format.largest

    @property
    def multiplier(self) -> Multiplier:
        return self.element_format.multiplier._replace(scale="pow2")

    @property
    def steps(self) -> int | None:
        return self.element_format.steps

    @property
    def granularity(self) -> str:
        return f"block({self.block})"

    def scale_for(self, limit: Tensor) -> Tensor:
        import torch

        fraction, exponent = math.frexp(self.largest)
        emax = exponent - 1
        # added to the limit's bits, this carries into the exponent where its significand is above the largest element's
        carry = 0 if self.shift == "down" else 0x7FFFFF - int((2 * fraction - 1) * 2**23)
        # exponents as float32 has them, moved by 127: frexp and ldexp say the same and take ten times as long
        shared = limit.view(torch.int32).add(carry).bitwise_right_shift_(23).sub_(emax).clamp_(0, 254 - emax)
        subnormal = (shared == 0).to(torch.int32).bitwise_left_shift_(22)  # 2^-127
        scale = shared.bitwise_left_shift(23).bitwise_or_(subnormal).view(torch.float32)
        return torch.where(limit == 0, torch.ones_like(scale), scale)

    def __str__(self) -> str:
        suffix = "-up" if self.shift == "up" else ""
        return f"mx{self.element}{suffix}" + (f", blocks of {self.block}" if self.block != 32 else "")

    def encode(self, v: Tensor, to_integer: Callable[[Tensor], Tensor]) -> Tensor:
        return self.element_format.encode(v, to_integer)

    def decode(self, codes: Tensor) -> Tensor:
        return self.element_format.decode(codes)


Format = MX
WORDS = (*(f"mx{element}" for element in _ELEMENTS), "mxe2m1-up", "mxint8-up")


def shorthand(text: str) -> MX | None:
    """``mxe4m3``, ``mxint8``, …: blocks of 32; with ``-up`` for a scale under which nothing saturates."""
    element, _, suffix = text.removeprefix("mx").partition("-")
    if not text.startswith("mx") or element not in _ELEMENTS or suffix not in ("", "up"):
        return None
    return MX.model_validate({"element": element, "shift": suffix or "down"})
