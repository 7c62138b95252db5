"""The movement of a convolution's kernel over its image."""

from __future__ import annotations

from typing import NamedTuple

from lbt.errors import LbtError


class Geometry(NamedTuple):
    """Stride, padding, dilation (one number for each spatial dimension) and groups of a convolution."""

    stride: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, ...] = (1, 1)
    groups: int = 1

    @property
    def wide(self) -> Geometry:
        """As of a 2-D convolution; of a 1-D one with an image of height 1."""
        if len(self.stride) == 2:
            return self
        return Geometry((1, *self.stride), (0, *self.padding), (1, *self.dilation), self.groups)

    def output(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, ...]:
        """Size of the output, one number for each spatial dimension.

        Raises:
            LbtError: the kernel does not fit the image.
        """
        found = tuple(
            (size[i] + 2 * self.padding[i] - self.dilation[i] * (kernel[i] - 1) - 1) // self.stride[i] + 1
            for i in range(len(self.stride))
        )
        if min(found) < 1:
            raise LbtError(f"integer convolution: a kernel of {kernel} does not fit an image of {size} with {self}")
        return found


PLAIN = Geometry()
"""Stride 1, no padding, no dilation, one group."""
