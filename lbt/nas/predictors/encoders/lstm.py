"""The sequence view: an LSTM reads one token per slot (and per edge, where cells choose them), and is pooled over time.

The order of the tokens is an arbitrary rule, which is what GATES argues against. (NAO's encoder: Luo et al., NeurIPS
2018.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lbt.nas.predictors.cells import Cells
from lbt.nas.predictors.layers import Embedding, Linear
from lbt.nas.space import CellSpace


class Encoder(nn.Module):
    """Cells (K, B) → embeddings (K, B, width)."""

    def __init__(self, space: CellSpace, members: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        kinds, self.output_size = len(space.operations), width
        self.edges = tuple(zip(*space.edges, strict=True)) if space.spec.operations_on == "node" else None
        slots = len(space.edges) if self.edges is None else space.nodes - 2
        self.first_edge_token, tokens = kinds, slots + (0 if self.edges is None else len(space.edges))
        self.token = Embedding(members, kinds + 2, width, generator)
        self.place = Embedding(members, tokens, width, generator)
        self.read = Linear(members, width, 4 * width, generator)
        self.recur = Linear(members, width, 4 * width, generator, bias=False)

    def forward(self, cells: Cells) -> Tensor:
        tokens = cells.operations
        if self.edges is not None:
            present = cells.adjacency[:, :, self.edges[0], self.edges[1]].long()
            tokens = torch.cat([tokens, present + self.first_edge_token], -1)
        read = self.read(self.token(tokens) + self.place.weight.unsqueeze(1))  # (K, B, T, 4D)
        hidden = read.new_zeros(*read.shape[:2], self.output_size)
        memory, total = hidden, hidden
        for step in read.unbind(2):
            into, keep, out, new = (step + self.recur(hidden)).chunk(4, -1)
            memory = torch.sigmoid(keep) * memory + torch.sigmoid(into) * torch.tanh(new)
            hidden = torch.sigmoid(out) * torch.tanh(memory)
            total = total + hidden
        return total / tokens.shape[-1]
