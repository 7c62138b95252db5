"""The stand-alone network of one NAS-Bench-201 cell, made of ordinary modules that any recipe can convert.

stem (3×3 convolution with stride 2, batch norm) → cell → 2×2 average pooling → cell → … → batch norm, ReLU, average
pooling to 4×4, linear. A convolution of the cell is ReLU, convolution, batch norm (Dong and Yang, ICLR 2020, arXiv
2001.00326, figure 1). Where they stack fifteen cells, widen, and average over the whole image, we stack ``cells`` at
one width and keep where in the image a feature was: made for 32×32 digits and a few seconds of training.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lbt.nas.space import live_edges
from lbt.nas.spaces.nasbench201 import EDGES, OPERATIONS, SPACE, parse

NODES = 4
GRID = 4
"""Height and width to which the last cell's output is averaged."""
_KERNEL = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


def prune(row: Sequence[int] | np.ndarray) -> np.ndarray:
    """The row with every edge that lies on no path from input to output set to ``none``; the function is the same."""
    live = {(i, j): operation for i, j, operation in live_edges(SPACE.labelled_edges(np.asarray(row)), NODES)}
    return np.array([live.get(edge, OPERATIONS.index("none")) for edge in EDGES], np.int64)


def operation(name: str, channels: int) -> nn.Module:
    """The module of one operation; each keeps the shape (N, channels, H, W)."""
    if name in _KERNEL:
        size = _KERNEL[name]
        convolution = nn.Conv2d(channels, channels, size, padding=size // 2, bias=False)
        return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(channels))
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return nn.Identity()


class Cell(nn.Module):
    """The live edges of one cell; a node is the sum of what its edges bring."""

    def __init__(self, row: np.ndarray, channels: int) -> None:
        super().__init__()
        self.edges = [
            (i, j, f"{i}to{j}") for (i, j), o in zip(EDGES, prune(row), strict=True) if OPERATIONS[o] != "none"
        ]
        for (i, j), o in zip(EDGES, prune(row), strict=True):
            if OPERATIONS[o] != "none":
                self.add_module(f"{i}to{j}", operation(OPERATIONS[o], channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W); zeros for a cell without a path from input to output."""
        nodes: list[Tensor | None] = [x, *[None] * (NODES - 1)]
        for i, j, name in self.edges:
            source, total = nodes[i], nodes[j]
            assert source is not None  # edges are ordered by their end, and all are live
            arrived = self.get_submodule(name)(source)
            nodes[j] = arrived if total is None else total + arrived
        return torch.zeros_like(x) if nodes[-1] is None else nodes[-1]


class CellNetwork(nn.Module):
    """See the module's docstring. Images (N, in_channels, H, W) → logits (N, classes)."""

    def __init__(self, row: np.ndarray, channels: int, classes: int, in_channels: int, cells: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(in_channels, channels, 3, stride=2, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(channels)
        self.cells = nn.ModuleList(Cell(row, channels) for _ in range(cells))
        self.last_norm = nn.BatchNorm2d(channels)
        self.pool = nn.AdaptiveAvgPool2d(GRID)
        self.head = nn.Linear(channels * GRID**2, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem_norm(self.stem(x))
        for number, cell in enumerate(self.cells):
            x = cell(F.avg_pool2d(x, 2) if number else x)
        return self.head(self.pool(F.relu(self.last_norm(x))).flatten(1))


def cell_network(
    arch: str, channels: int = 16, classes: int = 10, *, in_channels: int = 1, cells: int = 2, seed: int = 0
) -> CellNetwork:
    """The network of one cell, with weights drawn from ``seed``.

    Args:
        arch: a NAS-Bench-201 string such as ``|nor_conv_3x3~0|+|none~0|skip_connect~1|+|…|``.
        channels: width of the stem and of every cell.
        classes: number of logits.
        in_channels: channels of the images, 1 or 3.
        cells: number of cells, one after another.

    Raises:
        LbtError: ``arch`` is not such a string.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CellNetwork(parse(arch), channels, classes, in_channels, cells)
