"""Format, scales and zero points of the groups of a matrix."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from lbt.numerics.formats import FormatBase


@dataclass(frozen=True)
class Groups:
    """The groups of a matrix of codes.

    Attributes:
        form: the number format.
        found: the scales, float32, (rows, 1), (1, columns) or (1, 1); a number where there is a single one on the CPU.
        zero_point: whole float32 numbers like the scales for a format with zero point, else None.
        by_column: groups are columns instead of rows.
    """

    form: FormatBase
    found: float | Tensor
    zero_point: Tensor | None
    by_column: bool

    @property
    def single(self) -> bool:
        """True if the whole tensor has one scale, which a product can take out."""
        return isinstance(self.found, float) or self.found.numel() == 1

    @functools.cached_property
    def scale(self) -> Tensor:
        """The scales as a tensor."""
        return torch.tensor([[self.found]]) if isinstance(self.found, float) else self.found

    @functools.cached_property
    def factor(self) -> float | Tensor:
        """The single scale: a number on the CPU, a 0-d tensor elsewhere. 1.0 where there are several."""
        if isinstance(self.found, float):
            return self.found
        if self.found.numel() != 1:
            return 1.0
        return float(self.found) if self.found.device.type == "cpu" else self.found.view(())
