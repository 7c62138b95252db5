"""GATES: information flows from the input node along the graph, and each operation masks it (Ning et al., ECCV 2020).

One layer moves the information one step along every edge (arXiv 2004.01899, section 3.2). With X_j the information at
node j and o the embedding of an operation::

    operation on edge:  X_j ← X_j W_x + Σ_{i→j} σ(o_ij W_o) ⊙ (X_i W_x)
    operation on node:  X_j ← X_j W_x + σ(o_j W_o) ⊙ ((Σ_{i→j} X_i) W_x)          o ← o + ReLU(o W_r)

A node keeps its information as the graph convolution inside it does: moved by W_x, at all nodes.

Only the input node starts with information; a ReLU follows every layer but the last. Parameters differ from layer to
layer, the operations' embeddings are refined between layers, and the output node's information is the architecture's
embedding. Nodes have no identity of their own, so isomorphic cells get the same embedding; an absent or ``none`` edge
carries nothing. Nodes of a batch that must hold the same information are computed once (:mod:`._merged`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lbt.nas.predictors.cells import Cells
from lbt.nas.predictors.encoders._merged import merge
from lbt.nas.predictors.layers import Embedding, Linear
from lbt.nas.space import CellSpace


class Encoder(nn.Module):
    """Cells (K, B) → embeddings (K, B, width).

    Args:
        space: says where the operations sit.
        members: K, the number of networks side by side.
        width: size of the information vector and of the operations' embeddings.
        generator: draws the initial parameters.
    """

    layers = 5

    def __init__(self, space: CellSpace, members: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.kinds, self.output_size = len(space.operations), width
        depth = max(self.layers, max(len(path) for path in space.paths) - 1)
        self.information = nn.Parameter(torch.randn(members, width, generator=generator))
        self.operation = Embedding(members, self.kinds, width, generator)
        self.mask = nn.ModuleList(Linear(members, width, width, generator) for _ in range(depth))
        self.move = nn.ModuleList(Linear(members, width, width, generator, bias=False) for _ in range(depth))
        self.refine = nn.ModuleList(Linear(members, width, width, generator) for _ in range(depth - 1))

    def forward(self, cells: Cells) -> Tensor:
        flow = merge(cells, self.kinds + 1)
        x = flow.begin(self.information)  # (states, width)
        table: Tensor = self.operation.weight  # (K, kinds, width): equal in all cells, so refined once per layer
        unmasked = table.new_ones(len(table), 1, table.shape[-1])  # into the output node of an operation-on-node cell
        for layer, (mask, move) in enumerate(zip(self.mask, self.move, strict=True)):
            masks = torch.cat([torch.sigmoid(mask(table)), unmasked], 1)
            inner, outer = (move(part) for part in flow.parts(x))
            x = torch.cat([inner.flatten(0, 1), outer.flatten(0, 1)]) + flow.arriving(inner, masks)
            if layer < len(self.refine):
                x = torch.relu(x)
                table = table + torch.relu(self.refine[layer](table))
        return x[flow.output]
