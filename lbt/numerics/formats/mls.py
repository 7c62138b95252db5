"""MLS, the multi-level scaling format of Zhong et al., "Exploring the Potential of Low-bit Training of CNNs"
(arXiv 2006.02804, section IV): value = tensor scale · group scale · element.

The tensor scale is float32, the largest magnitude of the whole tensor as in the paper, so that it depends on the batch
also where groups are samples; the group scale is a small float ⟨Eg, Mg⟩ in (0, 1], rounded up so that no element of the
group saturates; the element is an unsigned-magnitude minifloat ⟨E, M⟩ below or at 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lbt.numerics.formats._base import SMALLEST_RANGE, FormatBase, largest_scale
from lbt.numerics.formats.float import Float

if TYPE_CHECKING:
    from torch import Tensor


class MLS(FormatBase):
    """``MLS(exponent=2, mantissa=4, group_exponent=8, group_mantissa=1)``."""

    kind: Literal["mls"] = "mls"
    exponent: int = Field(2, ge=1, le=5)
    """Exponent bits of an element."""
    mantissa: int = Field(4, ge=0, le=7)
    """Mantissa bits of an element."""
    group_exponent: int = Field(8, ge=2, le=8)
    """Exponent bits of a group's scale: it reaches down to 2^-(2^Eg - 1) of the tensor's scale."""
    group_mantissa: Literal[0, 1] = 1
    """Mantissa bits of a group's scale (0: a shift; 1: a shift and an add)."""

    @property
    def storage_bits(self) -> float:
        return float(1 + self.exponent + self.mantissa)

    @property
    def element_format(self) -> Float:
        """The element's format."""
        return Float(exponent=self.exponent, mantissa=self.mantissa)

    @property
    def largest(self) -> float:
        return self.element_format.largest

    def scale_for(self, limit: Tensor) -> Tensor:
        import torch

        top = limit.amax().clamp_min(SMALLEST_RANGE)
        ratio = limit / top  # (0, 1]
        mantissa, exponent = torch.frexp(ratio)  # mantissa in [0.5, 1)
        steps = 2.0 ** (self.group_mantissa + 1)
        rounded = torch.ldexp((mantissa * steps).ceil() / steps, exponent)
        rounded = rounded.clamp(2.0 ** -min(2**self.group_exponent - 1, 60), 1.0)
        scale = (rounded * (top / self.largest)).clamp_max(largest_scale(self.largest))
        return torch.where(limit < SMALLEST_RANGE, torch.ones_like(limit), scale)

    def encode(self, v: Tensor, to_integer: Callable[[Tensor], Tensor]) -> Tensor:
        return self.element_format.encode(v, to_integer)

    def decode(self, codes: Tensor) -> Tensor:
        return self.element_format.decode(codes)


Format = MLS
WORDS = ("mls-e2m4", "mls-e2m1")


def shorthand(text: str) -> MLS | None:
    """``mls-e2m4``: elements ⟨2,4⟩, group scales ⟨8,1⟩."""
    match = re.fullmatch(r"mls-e([1-5])m([0-7])", text)
    return MLS(exponent=int(match[1]), mantissa=int(match[2])) if match else None
