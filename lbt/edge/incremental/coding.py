"""Codes of remembered examples: bytes of pixels, and of latent activations in few bits."""

from __future__ import annotations

from math import prod
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lbt.data.inputs import RANGE
from lbt.edge.users.values import packed, unpacked

FLOAT = 32
"""In the place of bits: latent activations as float32."""


class Coder(Protocol):
    """A code of fixed size for examples of one shape."""

    size: int
    """Bytes of an example."""

    def encode(self, values: Tensor) -> Tensor:
        """uint8 (N, size) of float32 (N, *shape)."""

    def decode(self, codes: Tensor) -> Tensor:
        """The inverse, but for rounding."""


class Pixels:
    """A byte a value: exact for images that came from bytes.

    Args:
        shape: (C, H, W), values in the range of a network's input.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.size = shape, prod(shape)

    def encode(self, values: Tensor) -> Tensor:
        low, high = RANGE
        return ((values - low) * (255 / (high - low))).round().clamp(0, 255).to(torch.uint8).flatten(1)

    def decode(self, codes: Tensor) -> Tensor:
        low, high = RANGE
        images = (codes.float() / 255).mul_(high - low).add_(low).view(-1, *self.shape)  # in the order of to_input
        return images.contiguous(memory_format=torch.channels_last)


class Latents:
    """Activations in ``bits`` bits, with the lowest value and the step of each example in float32.

    code = round((x - low)/step) from 0 to 2^bits - 1    step = (high - low)/(2^bits - 1)

    Args:
        shape: of the activations of an example.
        bits: 2 to 8, or :data:`FLOAT`.
    """

    def __init__(self, shape: tuple[int, ...], bits: int) -> None:
        self.shape, self.bits = shape, bits
        self.size = 4 * prod(shape) if bits == FLOAT else 8 + -(-prod(shape) * bits // 8)

    def encode(self, values: Tensor) -> Tensor:
        flat = values.detach().float().flatten(1).contiguous()
        if self.bits == FLOAT:
            return flat.view(torch.uint8)
        low, high = flat.aminmax(dim=1, keepdim=True)
        step = (high - low) / (2**self.bits - 1)
        middle = 1 << (self.bits - 1)
        codes = ((flat - low) / step.clamp_min(torch.finfo(torch.float32).tiny)).round() - middle
        rows = [packed(row, self.bits) for row in codes.to(torch.int8).numpy()]
        stream = torch.from_numpy(np.stack(rows).view(np.uint8))
        return torch.cat([low.contiguous().view(torch.uint8), step.contiguous().view(torch.uint8), stream], 1)

    def decode(self, codes: Tensor) -> Tensor:
        if self.bits == FLOAT:
            return codes.contiguous().view(torch.float32).view(-1, *self.shape)
        low, step = (codes[:, at : at + 4].contiguous().view(torch.float32) for at in (0, 4))
        rows = [unpacked(row, self.bits, prod(self.shape)) for row in codes[:, 8:].contiguous().numpy()]
        values = torch.from_numpy(np.stack(rows)).float() + (1 << (self.bits - 1))
        return (values * step + low).view(-1, *self.shape)
