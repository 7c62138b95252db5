"""Layers of K independent networks side by side, so that an ensemble trains in the time of one batched product.

Every parameter has a leading member dimension K; inputs are (K, B, …, features). Members never mix.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """``y[k] = x[k] @ weight[k] + bias[k]``: (K, …, inputs) → (K, …, outputs)."""

    def __init__(
        self, members: int, inputs: int, outputs: int, generator: torch.Generator, *, bias: bool = True
    ) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = uniform((members, inputs, outputs), bound, generator)
        self.bias = uniform((members, 1, outputs), bound, generator) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1, -2)
        y = torch.bmm(flat, self.weight) if self.bias is None else torch.baddbmm(self.bias, flat, self.weight)
        return y.view(*x.shape[:-1], -1)


class Embedding(nn.Module):
    """Rows of a table (K, entries, width), standard normal: indices (K, …) → (K, …, width)."""

    def __init__(self, members: int, entries: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(members, entries, width, generator=generator))

    def forward(self, index: Tensor) -> Tensor:
        return lookup(self.weight, index)


def lookup(table: Tensor, index: Tensor) -> Tensor:
    """Rows of a per-member table: (K, T, D) at int64 (K, …) → (K, …, D)."""
    members, entries, width = table.shape
    offset = torch.arange(members).view(-1, *[1] * (index.dim() - 1)) * entries
    return table.reshape(-1, width).index_select(0, (index + offset).reshape(-1)).view(*index.shape, width)


class Head(nn.Module):
    """An MLP from an embedding to one score: (K, B, inputs) → (K, B). ReLU between the layers."""

    def __init__(self, members: int, inputs: int, hidden: list[int], generator: torch.Generator) -> None:
        super().__init__()
        sizes = [inputs, *hidden, 1]
        self.layers = nn.ModuleList(Linear(members, a, b, generator) for a, b in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x).squeeze(-1)


def uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> nn.Parameter:
    """A parameter drawn uniformly from ±``bound``."""
    return nn.Parameter((torch.rand(shape, generator=generator) * 2 - 1) * bound)
