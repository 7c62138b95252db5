"""TA-GATES: operation embeddings updated by mimicked training steps (Ning et al., NeurIPS 2022).

One mimicked step sends information forward along the operation-on-node graph (GATES' flow), sends it backward from the
output along the reversed edges, and moves each operation's embedding by an MLP of (its embedding, forward information,
backward information), as a gradient step would move the operation's weights. So the same operation at different places
ends up with different embeddings. After ``steps`` of them, a last forward flow gives the output node's information.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lbt.nas.predictors.cells import Cells
from lbt.nas.predictors.encoders._nodes import NodeView
from lbt.nas.predictors.layers import Embedding, Linear
from lbt.nas.space import CellSpace


class Flow(nn.Module):
    """GATES' flow with per-node embeddings: (start (K, D), embeddings (K, B, M, D), A (K, B, M, M)) → (K, B, M, D)."""

    def __init__(self, members: int, width: int, depth: int, generator: torch.Generator) -> None:
        super().__init__()
        self.information = nn.Parameter(torch.randn(members, width, generator=generator))
        self.mask = nn.ModuleList(Linear(members, width, width, generator) for _ in range(depth))
        self.move = nn.ModuleList(Linear(members, width, width, generator, bias=False) for _ in range(depth))

    def forward(self, embedding: Tensor, into: Tensor, start: int) -> Tensor:
        x = torch.zeros_like(embedding)
        x[:, :, start] = self.information.unsqueeze(1)
        for layer, (mask, move) in enumerate(zip(self.mask, self.move, strict=True)):
            x = x + torch.sigmoid(mask(embedding)) * move(into @ x)
            if layer < len(self.mask) - 1:
                x = torch.relu(x)
        return x


class Encoder(nn.Module):
    """Cells (K, B) → embeddings (K, B, width)."""

    steps = 2

    def __init__(self, space: CellSpace, members: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.view, self.output_size = NodeView(space), width
        self.operation = Embedding(members, self.view.labels, width, generator)
        self.forward_flow = Flow(members, width, self.view.depth, generator)
        self.backward_flow = Flow(members, width, self.view.depth, generator)
        self.hidden = Linear(members, 3 * width, width, generator)
        self.update = Linear(members, width, width, generator)

    def forward(self, cells: Cells) -> Tensor:
        labels, edges = self.view(cells.operations, cells.adjacency)
        embedding, into = self.operation(labels), edges.transpose(-1, -2)
        for _ in range(self.steps):
            ahead = self.forward_flow(embedding, into, 0)
            back = self.backward_flow(embedding, edges, -1)
            embedding = embedding + self.update(torch.relu(self.hidden(torch.cat([embedding, ahead, back], -1))))
        return self.forward_flow(embedding, into, 0)[:, :, -1]
