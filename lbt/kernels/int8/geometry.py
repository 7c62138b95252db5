"""How a convolution's kernel moves over its image."""

from __future__ import annotations

from typing import NamedTuple

from lbt.errors import LbtError


class Geometry(NamedTuple):
    """Stride, padding, dilation (rows, columns) and groups of a convolution."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def output(self, size: tuple[int, int], kernel: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the output.

        Raises:
            LbtError: the kernel does not fit the image.
        """
        (h, w) = (
            (size[i] + 2 * self.padding[i] - self.dilation[i] * (kernel[i] - 1) - 1) // self.stride[i] + 1
            for i in (0, 1)
        )
        if h < 1 or w < 1:
            raise LbtError(f"integer convolution: a kernel of {kernel} does not fit an image of {size} with {self}")
        return h, w


PLAIN = Geometry()
"""Stride 1, no padding, no dilation, one group."""
