"""NVFP4: 16 elements ⟨2,1⟩ share an E4M3 scale, and the tensor has a float32 scale above them.

NVIDIA, "Pretraining Large Language Models with NVFP4" (arXiv 2509.25149), section 2 and appendix B: tensor scale =
max|x| / (6 · 448), so that the scale of the largest block is E4M3's largest number; block scale = E4M3(max|block| / 6 /
tensor scale), rounded to nearest; an element beyond 6 saturates. A block scale is never rounded to zero. The tensor
scale depends on the batch that a tensor belongs to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lbt.numerics.formats._base import SMALLEST_RANGE, FormatBase, largest_scale
from lbt.numerics.formats.float import Float

if TYPE_CHECKING:
    from torch import Tensor

_ELEMENT = Float(exponent=2, mantissa=1)
_SCALE = Float(exponent=4, mantissa=3, specials="fn")


class NVFP4(FormatBase):
    """``NVFP4(block=16, rows=1)``."""

    kind: Literal["nvfp4"] = "nvfp4"
    block: int = Field(16, ge=1, le=65536)
    """Elements (along the channels) that share an E4M3 scale; 16 in the paper."""
    rows: int = Field(1, ge=1, le=65536)
    """Outputs whose elements share a scale as well; 16 for weights in the paper, whose tiles serve both products."""

    @property
    def storage_bits(self) -> float:
        return _ELEMENT.storage_bits + _SCALE.storage_bits / (self.block * self.rows)

    @property
    def element_format(self) -> Float:
        return _ELEMENT

    @property
    def largest(self) -> float:
        return _ELEMENT.largest

    @property
    def granularity(self) -> str:
        return f"block({self.block})" if self.rows == 1 else f"block({self.rows}x{self.block})"

    def scale_for(self, limit: Tensor) -> Tensor:
        import torch

        tensor = limit.amax().clamp_min(SMALLEST_RANGE) / (self.largest * _SCALE.largest)
        block = _SCALE.decode(_SCALE.encode(limit / self.largest / tensor, torch.round))
        smallest = 2.0 ** (_SCALE.lowest_exponent - _SCALE.mantissa)
        scale = (block.clamp_min(smallest) * tensor).clamp_max(largest_scale(self.largest))
        return torch.where(limit < SMALLEST_RANGE, torch.ones_like(limit), scale)

    def encode(self, v: Tensor, to_integer: Callable[[Tensor], Tensor]) -> Tensor:
        return _ELEMENT.encode(v, to_integer)

    def decode(self, codes: Tensor) -> Tensor:
        return _ELEMENT.decode(codes)


Format = NVFP4
WORDS = ("nvfp4", "nvfp4-16x16")


def shorthand(text: str) -> NVFP4 | None:
    """``nvfp4``: blocks of 16; ``nvfp4-16x16``: tiles of 16 outputs and 16 inputs."""
    return NVFP4(rows=1 if text == "nvfp4" else 16) if text in WORDS else None
