"""A bidirectional graph convolution on the operation-on-node graph: operations as attributes, edges as affinity.

``H ← ½ ReLU(Â H W₊) + ½ ReLU(Âᵀ H W₋)`` with  the row-normalised adjacency with self-loops; the mean over nodes is the
embedding (Wen et al., Neural Predictor for NAS, ECCV 2020, arXiv 1912.00848, section 3).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lbt.nas.predictors.cells import Cells
from lbt.nas.predictors.encoders._nodes import NodeView
from lbt.nas.predictors.layers import Embedding, Linear
from lbt.nas.space import CellSpace


class Encoder(nn.Module):
    """Cells (K, B) → embeddings (K, B, width)."""

    layers = 3

    def __init__(self, space: CellSpace, members: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.view, self.output_size = NodeView(space), width
        self.operation = Embedding(members, self.view.labels, width, generator)
        self.along = nn.ModuleList(Linear(members, width, width, generator) for _ in range(self.layers))
        self.against = nn.ModuleList(Linear(members, width, width, generator) for _ in range(self.layers))

    def forward(self, cells: Cells) -> Tensor:
        labels, edges = self.view(cells.operations, cells.adjacency)
        looped = edges + torch.eye(self.view.nodes)
        backward = looped / looped.sum(-1, keepdim=True)
        turned = looped.transpose(-1, -2)
        forward = turned / turned.sum(-1, keepdim=True)
        x = self.operation(labels)
        for along, against in zip(self.along, self.against, strict=True):
            x = (torch.relu(along(forward @ x)) + torch.relu(against(backward @ x))) / 2
        return x.mean(2)
