"""GATES: information flows from the input node along the graph, and each operation masks it (Ning et al., ECCV 2020).

One layer moves the information one step along every edge (arXiv 2004.01899, section 3.2). With X_j the information at
node j and o the embedding of an operation::

    operation on edge:  X_j ← X_j + Σ_{i→j} σ(o_ij W_o) ⊙ (X_i W_x)
    operation on node:  X_j ← X_j + σ(o_j W_o) ⊙ ((Σ_{i→j} X_i) W_x)          o ← o + ReLU(o W_r)

Only the input node starts with information; a ReLU follows every layer but the last. Parameters differ from layer to
layer, the operations' embeddings are refined between layers, and the output node's information is the architecture's
embedding. Nodes have no identity of their own, so isomorphic cells get the same embedding; an absent or ``none`` edge
carries nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lbt.nas.predictors.layers import Embedding, Linear, lookup
from lbt.nas.space import CellSpace


class Encoder(nn.Module):
    """(operations (K, B, S) int64, adjacency (K, B, V, V) float32) → embeddings (K, B, width).

    Args:
        space: says where the operations sit.
        members: K, the number of networks side by side.
        width: size of the information vector and of the operations' embeddings.
        generator: draws the initial parameters.
    """

    layers = 5

    def __init__(self, space: CellSpace, members: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.on_edge = space.spec.operations_on == "edge"
        self.nodes, self.output_size = space.nodes, width
        self.source = torch.tensor([i for i, _ in space.edges])
        self.target = torch.tensor([j for _, j in space.edges])
        depth = max(self.layers, max(len(path) for path in space.paths) - 1)
        self.information = nn.Parameter(torch.randn(members, width, generator=generator))
        self.operation = Embedding(members, len(space.operations), width, generator)
        self.mask = nn.ModuleList(Linear(members, width, width, generator) for _ in range(depth))
        self.move = nn.ModuleList(Linear(members, width, width, generator, bias=False) for _ in range(depth))
        self.refine = nn.ModuleList(Linear(members, width, width, generator) for _ in range(depth - 1))

    def forward(self, operations: Tensor, adjacency: Tensor) -> Tensor:
        members, batch = operations.shape[:2]
        x = self.information.new_zeros(members, batch, self.nodes, self.information.shape[-1])
        x[:, :, 0] = self.information.unsqueeze(1)
        table: Tensor = (
            self.operation.weight
        )  # (K, operations, width): the same for all cells, so refined once per layer
        step = self._along_edges if self.on_edge else self._through_nodes
        for layer, (mask, move) in enumerate(zip(self.mask, self.move, strict=True)):
            attention = torch.sigmoid(mask(table))
            x = x + step(x, move, attention, operations, adjacency)
            if layer < len(self.refine):
                x = torch.relu(x)
                table = table + torch.relu(self.refine[layer](table))
        return x[:, :, -1]

    def _along_edges(self, x: Tensor, move: nn.Module, attention: Tensor, operations: Tensor, adj: Tensor) -> Tensor:
        """What arrives at each node (K, B, V, D) where the operations sit on the edges."""
        carries = adj[:, :, self.source, self.target].unsqueeze(-1)
        arriving = move(x).index_select(2, self.source) * lookup(attention, operations) * carries
        return torch.zeros_like(x).index_add_(2, self.target, arriving)

    def _through_nodes(self, x: Tensor, move: nn.Module, attention: Tensor, operations: Tensor, adj: Tensor) -> Tensor:
        """What each node makes of what arrives (K, B, V, D); the input makes nothing, the output masks nothing."""
        made = move(adj.transpose(-1, -2) @ x)
        inner = made[:, :, 1:-1] * lookup(attention, operations)
        return torch.cat([torch.zeros_like(made[:, :, :1]), inner, made[:, :, -1:]], 2)
