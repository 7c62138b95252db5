"""Every cell as an operation-on-node graph: operation-on-edge cells through their line graph.

In the line graph each edge becomes a node that carries the edge's operation, and an edge that ends where another begins
precedes it. An input node precedes the edges out of the cell's input, and an output node follows those into its output.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lbt.nas.space import CellSpace


class NodeView:
    """Makes (labels (K, B, M) int64, adjacency (K, B, M, M) float32) of a batch; node 0 is the input, M − 1 the output.

    Labels are the operations' indices, then one for the input and one for the output: ``labels`` in all.
    """

    def __init__(self, space: CellSpace) -> None:
        self.on_edge = space.spec.operations_on == "edge"
        self.kinds, self.labels = len(space.operations), len(space.operations) + 2
        self.edges = tuple(zip(*space.edges, strict=True))
        inner = len(space.edges) if self.on_edge else space.nodes - 2
        self.nodes, self.depth = inner + 2, max(len(path) for path in space.paths)
        line = torch.zeros(self.nodes, self.nodes)
        for number, (i, j) in enumerate(space.edges if self.on_edge else (), start=1):
            line[0, number] = i == 0
            line[number, -1] = j == space.nodes - 1
            for other, (start, _) in enumerate(space.edges, start=1):
                line[number, other] = j == start
        self.line = line

    def __call__(self, operations: Tensor, adjacency: Tensor) -> tuple[Tensor, Tensor]:
        shape = (*operations.shape[:2], 1)
        ends = operations.new_full(shape, self.kinds), operations.new_full(shape, self.kinds + 1)
        labels = torch.cat([ends[0], operations, ends[1]], -1)
        if not self.on_edge:
            return labels, adjacency
        carries = adjacency[:, :, self.edges[0], self.edges[1]]
        present = torch.cat([carries.new_ones(shape), carries, carries.new_ones(shape)], -1)
        return labels, self.line * present.unsqueeze(-1) * present.unsqueeze(-2)
