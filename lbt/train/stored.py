"""Images that would fill the memory as a network's input: bytes, which become floats when a batch asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from lbt.data.inputs import to_input


class Stored:
    """The part of a tensor's interface that training needs, over bytes that may lie on the disk.

    Args:
        pixels: uint8 (M, H, W, C), see :mod:`lbt.mapped`.
        channels, size: of the input, see :func:`lbt.data.to_input`.
        index: int64 (N,), the rows that are in the set, in its order. Default: all.
    """

    def __init__(self, pixels: np.ndarray, channels: int, size: int, index: np.ndarray | None = None) -> None:
        self.pixels, self.channels, self.size = pixels, channels, size
        self.index = np.arange(len(pixels)) if index is None else index

    def __len__(self) -> int:
        return len(self.index)

    @property
    def shape(self) -> torch.Size:
        """(N, C, H, W) of the input."""
        return torch.Size((len(self), self.channels, self.size, self.size))

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """The images at ``rows`` as :func:`lbt.data.to_input` gives them, bit for bit."""
        return to_input(self.pixels[self.index[_plain(rows)]], self.channels, self.size)

    def subset(self, rows: Tensor) -> Stored:
        """The images at ``rows`` (int64, (M,)), none of them read."""
        return Stored(self.pixels, self.channels, self.size, self.index[_plain(rows)])

    def split(self, size: int) -> Iterator[Tensor]:
        """All images, ``size`` at a time."""
        return (self[start : start + size] for start in range(0, len(self), size))


def _plain(rows: Tensor | slice) -> np.ndarray | slice:
    return rows if isinstance(rows, slice) else rows.numpy()
