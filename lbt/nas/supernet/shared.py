"""The supernet: one set of weights for every operation on every edge, whichever architecture uses it.

Guo et al., "Single Path One-Shot", ECCV 2020 (arXiv 1904.00420): each training step draws one architecture uniformly.
Batch norm has no affine part and always normalises with the statistics of the batch at hand, since running statistics
would mix those of all architectures. The zero tensor of ``none`` is None here, and costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lbt.nas.spaces.nasbench201 import EDGES, OPERATIONS, format
from lbt.nas.supernet.network import GRID, NODES, CellNetwork, cell_network, prune

CONVOLUTIONS = {OPERATIONS.index("nor_conv_1x1"): 1, OPERATIONS.index("nor_conv_3x3"): 3}
"""Operation index → kernel size."""
_NONE, _POOL = OPERATIONS.index("none"), OPERATIONS.index("avg_pool_3x3")


def normalise(x: Tensor) -> Tensor:
    """Batch norm without affine part, over the statistics of this batch."""
    return F.batch_norm(x, None, None, training=True)


def add(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """The sum, where None is zero."""
    if a is None or b is None:
        return b if a is None else a
    return a + b


class SharedCell(nn.Module):
    """The weights of one cell: ``weights["{edge}_{operation}"]``, edges and operations by their number."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weights = nn.ParameterDict()
        for edge in range(len(EDGES)):
            for operation, size in CONVOLUTIONS.items():
                weight = torch.empty(channels, channels, size, size)
                self.weights[f"{edge}_{operation}"] = nn.Parameter(nn.init.kaiming_normal_(weight))

    def edge(self, edge: int, operation: int, x: Tensor | None) -> Tensor | None:
        """The result of ``operation`` on edge number ``edge``, from its source node ``x`` (N, C, H, W)."""
        if x is None or operation == _NONE:
            return None
        if operation in CONVOLUTIONS:
            weight = self.weights[f"{edge}_{operation}"]
            return normalise(F.conv2d(F.relu(x), weight, padding=CONVOLUTIONS[operation] // 2))
        if operation == _POOL:
            return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        return x

    def forward(self, x: Tensor | None, row: Sequence[int]) -> Tensor | None:
        """The cell's output for the (pruned) architecture ``row``."""
        nodes: list[Tensor | None] = [x, *[None] * (NODES - 1)]
        for number, ((i, j), operation) in enumerate(zip(EDGES, row, strict=True)):
            nodes[j] = add(nodes[j], self.edge(number, operation, nodes[i]))
        return nodes[-1]


class Supernet(nn.Module):
    """All architectures at once. Its macro-architecture is :class:`lbt.nas.supernet.network.CellNetwork`'s."""

    def __init__(self, channels: int, classes: int, in_channels: int = 1, cells: int = 2, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.stem_conv = nn.Conv2d(in_channels, channels, 3, stride=2, padding=1, bias=False)
            self.cells = nn.ModuleList(SharedCell(channels) for _ in range(cells))
            self.linear = nn.Linear(channels * GRID**2, classes)

    def cell(self, number: int) -> SharedCell:
        """The weights of cell ``number``."""
        cell = self.cells[number]
        assert isinstance(cell, SharedCell)
        return cell

    def stem(self, images: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) → the first cell's input (N, C, H/2, W/2)."""
        return normalise(self.stem_conv(images))

    def head(self, x: Tensor | None, count: int) -> Tensor:
        """The last cell's output → logits (count, classes)."""
        if x is None:
            return self.linear.bias.expand(count, -1)
        return self.linear(F.adaptive_avg_pool2d(F.relu(normalise(x)), GRID).flatten(1))

    def between(self, x: Tensor | None) -> Tensor | None:
        """The step between two cells: the image is halved. It is linear, and scoring uses that."""
        return None if x is None else F.avg_pool2d(x, 2)

    def forward(self, images: Tensor, row: Sequence[int]) -> Tensor:
        """Images (N, in_channels, H, W) → logits (N, classes) of one architecture, a row of operation numbers."""
        pruned = prune(row).tolist()
        x: Tensor | None = self.stem(images)
        for number in range(len(self.cells)):
            x = self.cell(number)(self.between(x) if number else x, pruned)
        return self.head(x, len(images))

    def extract(self, row: Sequence[int]) -> CellNetwork:
        """The stand-alone network of one architecture with a copy of the shared weights.

        Its batch norms have not seen data yet: run a few batches in training mode before evaluating it.
        """
        convolution, linear = self.stem_conv, self.linear
        network = cell_network(
            format(row),
            convolution.out_channels,
            linear.out_features,
            in_channels=convolution.in_channels,
            cells=len(self.cells),
        )
        with torch.no_grad():
            network.stem.weight.copy_(convolution.weight)
            network.head.load_state_dict(linear.state_dict())
            for depth, cell in enumerate(network.cells):
                for number, ((i, j), operation) in enumerate(zip(EDGES, prune(row).tolist(), strict=True)):
                    if operation in CONVOLUTIONS:
                        weight = cell.get_parameter(f"{i}to{j}.1.weight")
                        weight.copy_(self.cell(depth).weights[f"{number}_{operation}"])
        return network
