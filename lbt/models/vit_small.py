"""A small vision transformer for 32×32 images: patches of 4, width 128, five blocks; 1.0 M parameters.

The plain baseline of Beyer et al. (arXiv 2205.01580): layer norm before each branch, positions as fixed sines and
cosines, the mean over all patches before the classifier (ViT itself: arXiv 2010.11929).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lbt.models._network import Add, Network

PATCH, WIDTH, DEPTH, HEADS = 4, 128, 5, 4


def build(classes: int, channels: int) -> Network:
    """``channels`` × 32 × 32 (or any multiple of 4) to ``classes`` logits."""
    blocks = [Block(WIDTH, HEADS) for _ in range(DEPTH)]
    network = Network(nn.Sequential(Patches(channels), *blocks, nn.LayerNorm(WIDTH), Mean()), WIDTH, classes)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return network


class Patches(nn.Module):
    """Images (N, C, H, W) to patches with their positions, (N, H/4 · W/4, ``WIDTH``)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, WIDTH, PATCH, PATCH)

    def forward(self, x: Tensor) -> Tensor:
        """Each patch by itself, and where it is."""
        y: Tensor = self.project(x)
        return y.flatten(2).transpose(1, 2) + positions(y.shape[2], y.shape[3], WIDTH).to(y)


def positions(height: int, width: int, features: int) -> Tensor:
    """Sines and cosines of a patch's column and row, (``height`` · ``width``, ``features``) float32."""
    frequency = 10_000 ** -torch.linspace(0, 1, features // 4)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    angles = [place.flatten()[:, None] * frequency for place in (columns, rows)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)


class Block(nn.Module):
    """Self-attention and a perceptron, each beside its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.add1, self.add2 = Add(), Add()

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, width) to the same."""
        q, k, v = self.qkv(self.norm1(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = self.add1(x, self.project(mixed))
        return self.add2(x, self.perceptron(self.norm2(x)))  # type: ignore[no-any-return]


class Mean(nn.Module):
    """The mean over patches: (N, T, D) to (N, D)."""

    def forward(self, x: Tensor) -> Tensor:
        """Of each feature."""
        return x.mean(1)
