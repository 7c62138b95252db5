"""Flow attention with a graph convolution beside it, after FLAN (Akhauri and Abdelfattah, ICML 2024, arXiv 2403.02484).

On the operation-on-node graph, each layer is the mean of two modules, both with a layer norm and a residual path:

- dense graph flow (section 3.1): ``σ(o W_o) ⊙ (A X W_f) + X W_f``, the operation gating what flows in;
- graph attention: ``softmax over the predecessors of aᵀ LeakyReLU(X_i W_p + X_j W_q)``, gated by the operation as well.

The output node's features are the embedding. FLAN's supplementary encodings (learned, zero-cost) are not used.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, leaky_relu

from lbt.nas.predictors.cells import Cells
from lbt.nas.predictors.encoders._nodes import NodeView
from lbt.nas.predictors.layers import Embedding, Linear
from lbt.nas.space import CellSpace


class FlowAttention(nn.Module):
    """One flow-attention layer on X (K, B, M, D) with operations' embeddings (K, B, M, D)."""

    def __init__(self, members: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        make = lambda size=width: Linear(members, width, size, generator)  # noqa: E731 (four equal layers)
        self.gate, self.flow, self.attend_gate, self.value = make(), make(), make(), make()
        self.query, self.key, self.score = make(), make(), make(1)

    def forward(self, x: Tensor, operation: Tensor, into: Tensor) -> Tensor:
        moved = self.flow(x)
        flow = torch.sigmoid(self.gate(operation)) * (into @ moved) + moved
        pair = leaky_relu(self.query(x).unsqueeze(3) + self.key(x).unsqueeze(2), 0.2)  # (K, B, M, M, D)
        score = self.score(pair).squeeze(-1).masked_fill(into == 0, float("-inf"))
        attention = torch.nan_to_num(score.softmax(-1))  # a node without predecessors attends to nothing
        attended = torch.sigmoid(self.attend_gate(operation)) * (attention @ self.value(x)) + x
        return (layer_norm(flow, flow.shape[-1:]) + layer_norm(attended, attended.shape[-1:])) / 2


class Encoder(nn.Module):
    """Cells (K, B) → embeddings (K, B, width)."""

    def __init__(self, space: CellSpace, members: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.view, self.output_size = NodeView(space), width
        self.operation = Embedding(members, self.view.labels, width, generator)
        self.layers = nn.ModuleList(FlowAttention(members, width, generator) for _ in range(max(4, self.view.depth)))

    def forward(self, cells: Cells) -> Tensor:
        labels, edges = self.view(cells.operations, cells.adjacency)
        operation = self.operation(labels)
        x, into = operation, edges.transpose(-1, -2)
        for layer in self.layers:
            x = layer(x, operation, into)
        return x[:, :, -1]
