"""Dynamic tree quantization in blocks: 8-bit numbers of an optimizer's state, from 1e-7 to 1 of a block's largest.

Dettmers et al., "8-bit Optimizers via Block-wise Quantization" (arXiv 2110.02861), section 2, with the map of the
authors' library (``create_dynamic_map`` of bitsandbytes). A number has a decimal exponent 0 … -6, each of which takes a
bit from the fraction: the middles of 2^k equal parts of [0.1, 1], k = 6 … 0 (signed) or 7 … 1 (``unsigned``, which has
the sign's bit), times the power of ten; zero and 1 besides. The scale is the largest magnitude among ``block``
elements that follow each other in memory (channels last), 2048 there and here; a tensor with fewer is one block.

Adam's second moment, which is never negative, is stored unsigned (:attr:`for_squares`). Deviations: positive numbers
never become zero, which Adam would divide by; all tensors are stored so (there, those of 4,096 elements and more).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from lbt.numerics.formats._base import SMALLEST_RANGE, FormatBase, Multiplier

if TYPE_CHECKING:
    from torch import Tensor

EXPONENTS = 7


@functools.cache
def numbers(unsigned: bool) -> Any:
    """The grid, float32 in order: 256 numbers."""
    import numpy as np

    positive = [
        10.0 ** (i + 1 - EXPONENTS) * np.convolve(np.linspace(0.1, 1, 2 ** (i + unsigned) + 1), [0.5, 0.5], "valid")
        for i in range(EXPONENTS)
    ]
    magnitudes = np.concatenate(positive)
    negative = np.empty(0) if unsigned else -magnitudes[::-1]
    return np.concatenate([negative, [0.0], magnitudes, [1.0]]).astype(np.float32)


class Dynamic(FormatBase):
    """``Dynamic(unsigned=False, block=2048)``."""

    kind: Literal["dynamic"] = "dynamic"
    unsigned: bool = False
    """Numbers from 0, with one bit more of fraction."""
    block: int = Field(2048, ge=16, le=65536)
    """Elements that share a scale."""

    @property
    def storage_bits(self) -> float:
        return 8 + 32 / self.block

    @property
    def largest(self) -> float:
        return 1.0

    @property
    def multiplier(self) -> Multiplier:
        return Multiplier(8, 23, "float")  # a table gives the float

    @property
    def code_bits(self) -> int:
        return 9  # of the 256 codes around zero, one more is above it than int8 holds

    @property
    def granularity(self) -> str:
        return f"run({self.block})"

    @property
    def for_squares(self) -> Dynamic:
        return self.model_copy(update={"unsigned": True})

    def scale_for(self, limit: Tensor) -> Tensor:
        import torch

        return torch.where(limit < SMALLEST_RANGE, torch.ones_like(limit), limit)

    def encode(self, v: Tensor, to_integer: Callable[[Tensor], Tensor]) -> Tensor:
        import torch

        grid = self._grid(v)
        inside = v.float().clamp(float(numbers(self.unsigned)[0]), 1.0)
        below = (torch.searchsorted(grid, inside, right=True) - 1).clamp_max(len(grid) - 2)
        low, high = grid[below], grid[below + 1]
        # between two neighbours, the place of v as a share of their distance: what a rounding needs
        place = to_integer(below + (inside - low) / (high - low)) - self._zero
        return torch.where((v > 0) & (place == 0), torch.ones_like(place), place) if self.unsigned else place

    def decode(self, codes: Tensor) -> Tensor:
        return self._grid(codes)[codes.long() + self._zero]

    @property
    def _zero(self) -> int:
        return 0 if self.unsigned else 127

    def _grid(self, like: Tensor) -> Tensor:
        import torch

        return torch.from_numpy(numbers(self.unsigned)).to(like.device)

    def __str__(self) -> str:
        return f"{'u' if self.unsigned else ''}dynamic8, blocks of {self.block}"


Format = Dynamic
WORDS = ("dynamic8", "udynamic8")


def shorthand(text: str) -> Dynamic | None:
    """``dynamic8``, ``udynamic8``."""
    return Dynamic(unsigned=text.startswith("u")) if text in WORDS else None
