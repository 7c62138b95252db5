"""Pooling of a network that trains in integers from end to end."""

from __future__ import annotations

import torch

from lbt.fixed.arithmetic import divide_round
from lbt.integer.layers import Codes, Layer, Moment, Narrow

MEAN = 8
"""Fraction bits of an average over a number of values that is no power of two."""


class AvgPool(Layer):
    """Average over windows of (rows, columns) that tile the image: a sum, and a shift of the exponent.

    Where the window's size is no power of two, the sum is divided once, with MEAN fraction bits.
    """

    def __init__(self, name: str, window: tuple[int, int]) -> None:
        self.window, self.size = window, window[0] * window[1]
        self.even = self.size & (self.size - 1) == 0
        self.log = self.size.bit_length() - 1
        self.out, self.error = Narrow(8, "nearest", "A", name), Narrow(8, "stochastic", "E", name)
        self.narrows = (self.out,) if self.even else (self.out, self.error)

    def forward(self, x: Codes, at: Moment) -> Codes:
        (n, c, h, w), (kh, kw) = x.codes.shape, self.window
        total = x.codes.to(torch.int32).reshape(n, c, h // kh, kh, w // kw, kw).sum((3, 5))
        if self.even:
            return self.out(total, x.exponent - self.log, at)
        return self.out(divide_round(total << MEAN, self.size), x.exponent - MEAN, at)

    def backward(self, error: Codes, at: Moment) -> Codes:
        spread = error.codes.repeat_interleave(self.window[0], 2).repeat_interleave(self.window[1], 3)
        if self.even:
            return Codes(spread, error.exponent - self.log)
        return self.error(divide_round(spread.to(torch.int64) << MEAN, self.size), error.exponent - MEAN, at)


class MaxPool(Layer):
    """The largest code of each window; the error goes to where it was (to the first, in reading order, of equals).

    Args:
        name: keys the rounding of the error where windows overlap.
        window, stride, padding: rows and columns each; padding never wins.
    """

    def __init__(self, name: str, window: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]) -> None:
        self.window, self.stride, self.padding = window, stride, padding
        self.overlap = stride[0] < window[0] or stride[1] < window[1]
        self.error = Narrow(8, "stochastic", "E", name)
        self.narrows = (self.error,) if self.overlap else ()

    def output(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the output."""
        h, w = ((size[i] + 2 * self.padding[i] - self.window[i]) // self.stride[i] + 1 for i in (0, 1))
        return h, w

    def _taps(self, frame: torch.Tensor) -> list[torch.Tensor]:
        """For each position of the window, the view of ``frame`` that it sees."""
        h, w = self.output(self.size)
        (kh, kw), (sh, sw) = self.window, self.stride
        return [frame[:, :, i : i + (h - 1) * sh + 1 : sh, j : j + (w - 1) * sw + 1 : sw]
                for i in range(kh) for j in range(kw)]  # fmt: skip

    def forward(self, x: Codes, at: Moment) -> Codes:
        (n, c, h, w), (ph, pw) = x.codes.shape, self.padding
        self.size = (h, w)
        frame = x.codes.new_full((n, c, h + 2 * ph, w + 2 * pw), -128)
        frame[:, :, ph : ph + h, pw : pw + w] = x.codes
        best, *others = self._taps(frame)
        self.winner = torch.zeros_like(best)
        for number, tap in enumerate(others, 1):
            self.winner = torch.where(tap > best, number, self.winner)
            best = torch.maximum(tap, best)
        return Codes(best.contiguous(), x.exponent)

    def backward(self, error: Codes, at: Moment) -> Codes:
        (n, c), (h, w), (ph, pw) = error.codes.shape[:2], self.size, self.padding
        frame = torch.zeros(n, c, h + 2 * ph, w + 2 * pw, dtype=torch.int32)
        for number, tap in enumerate(self._taps(frame)):
            tap += error.codes * (self.winner == number)
        dx = frame[:, :, ph : ph + h, pw : pw + w]
        return self.error(dx, error.exponent, at) if self.overlap else Codes(dx.to(torch.int8), error.exponent)
