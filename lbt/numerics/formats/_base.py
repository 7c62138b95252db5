"""What a number format answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lbt.config import Section

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST_RANGE = 2.0**-100
"""A group whose range is below this is written as zeros with scale 1."""


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
    def granularity(self) -> str | None:
        """The granularity that belongs to the format (``block(32)``), or None where the role chooses."""
        return None

    @property
    def scaled(self) -> bool:
        """Whether a scale is found from the data; fp16 and bf16 have none."""
        return True

    def scale_for(self, limit: Tensor) -> Tensor:
        """The scale (> 0) of groups whose magnitudes are to reach ``limit`` (>= 0)."""
        raise NotImplementedError

    def encode(self, v: Tensor, to_integer: Callable[[Tensor], Tensor]) -> Tensor:
        """Codes of ``v`` (a tensor divided by its scale), saturating, ``to_integer`` being the rounding."""
        raise NotImplementedError

    def decode(self, codes: Tensor) -> Tensor:
        """float32 grid numbers of ``codes``."""
        raise NotImplementedError
