"""OCP Microscaling (MX): 32 elements share a power-of-two scale E8M0.

OCP Microscaling Formats specification v1.0, section 6.3: scale = 2^(floor(log2(max|x|)) - emax), emax being the
exponent of the element format's largest normal number; elements beyond the largest saturate. Element formats: E4M3,
E5M2, E3M2, E2M3, E2M1 and INT8 (two's complement with an implied scale of 2^-6, here symmetric as in our integers).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lbt.numerics.formats._base import SMALLEST_RANGE, FormatBase, Multiplier
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

        # exponents as float32 has them, moved by 127: frexp and ldexp say the same and take ten times as long
        exponent = limit.view(torch.int32).bitwise_right_shift(23)
        emax = math.frexp(self.largest)[1] - 1
        shared = exponent.sub_(emax).clamp_(1, 254).bitwise_left_shift_(23).view(torch.float32)
        return torch.where(limit < SMALLEST_RANGE, torch.ones_like(shared), shared)

    def encode(self, v: Tensor, to_integer: Callable[[Tensor], Tensor]) -> Tensor:
        return self.element_format.encode(v, to_integer)

    def decode(self, codes: Tensor) -> Tensor:
        return self.element_format.decode(codes)


Format = MX
WORDS = tuple(f"mx{element}" for element in _ELEMENTS)


def shorthand(text: str) -> MX | None:
    """``mxe4m3``, ``mxint8``, …: blocks of 32."""
    element = text.removeprefix("mx")
    return MX.model_validate({"element": element}) if text.startswith("mx") and element in _ELEMENTS else None
