"""Block floating point: integers that share a power-of-two exponent per block (Flexpoint, MSFP)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lbt.numerics.formats._base import FormatBase
from lbt.numerics.formats.int import Int

if TYPE_CHECKING:
    from torch import Tensor


class BlockFloat(FormatBase):
    """``BlockFloat(bits=8, block=16)``: symmetric integers, one 8-bit shared exponent for each block of channels."""

    kind: Literal["block_float"] = "block_float"
    bits: int = Field(8, ge=2, le=16)
    """Bits of an element with its sign, 2 … 16."""
    block: int = Field(16, ge=1, le=65536)
    """Elements (along the channels) that share an exponent."""

    @property
    def storage_bits(self) -> float:
        return self.bits + 8 / self.block

    @property
    def element_format(self) -> Int:
        """The element's format."""
        return Int(bits=self.bits, scale="pow2")

    @property
    def largest(self) -> float:
        return self.element_format.largest

    @property
    def steps(self) -> int | None:
        return self.element_format.steps

    @property
    def granularity(self) -> str:
        return f"block({self.block})"

    def scale_for(self, limit: Tensor) -> Tensor:
        return self.element_format.scale_for(limit)

    def encode(self, v: Tensor, to_integer: Callable[[Tensor], Tensor]) -> Tensor:
        return self.element_format.encode(v, to_integer)

    def decode(self, codes: Tensor) -> Tensor:
        return codes.float()


Format = BlockFloat
WORDS = ("bfp8", "bfp3")


def shorthand(text: str) -> BlockFloat | None:
    """``bfp8``: 8-bit elements, blocks of 16."""
    match = re.fullmatch(r"bfp(\d+)", text)
    return BlockFloat(bits=int(match[1])) if match and 2 <= int(match[1]) <= 16 else None
