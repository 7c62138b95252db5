"""The baseline that sees no graph: an MLP on the one-hot operations and, where cells choose them, the edges."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from lbt.nas.predictors.cells import Cells
from lbt.nas.predictors.layers import Linear
from lbt.nas.space import CellSpace


class Encoder(nn.Module):
    """Cells (K, B) → embeddings (K, B, width)."""

    def __init__(self, space: CellSpace, members: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.kinds, self.output_size = len(space.operations), width
        self.edges = tuple(zip(*space.edges, strict=True)) if space.spec.operations_on == "node" else None
        slots = len(space.edges) if self.edges is None else space.nodes - 2
        inputs = slots * self.kinds + (0 if self.edges is None else len(space.edges))
        self.layers = nn.ModuleList(
            [Linear(members, inputs, width, generator), Linear(members, width, width, generator)]
        )

    def forward(self, cells: Cells) -> Tensor:
        x = one_hot(cells.operations, self.kinds).flatten(2).to(cells.adjacency.dtype)
        if self.edges is not None:
            x = torch.cat([x, cells.adjacency[:, :, self.edges[0], self.edges[1]]], -1)
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x
