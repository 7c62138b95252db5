"""A momentum encoder with a contrastive loss (MoCo, He et al., CVPR 2020) over cells that differ in one choice.

Equivalent cells have one embedding under GATES already, so a positive pair is a cell and itself with one operation (or
edge) redrawn; negatives are a queue of other cells' embeddings by the slowly following encoder.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from few_labels import _labels
from lbt.nas.predictors.cells import cells
from lbt.nas.predictors.fit import PredictorNetwork
from lbt.nas.predictors.layers import Linear
from lbt.nas.space import CellSpace
from lbt.nas.tables import Table

WEIGHT, BATCH, QUEUE, MOMENTUM, TEMPERATURE = 0.1, 128, 1024, 0.99, 0.2


class Contrast(nn.Module):
    """See :class:`lbt.nas.predictors.fit.Auxiliary`: the InfoNCE loss, times ``WEIGHT``.

    Attributes:
        slow: the momentum encoder and its projection, in a tuple so that they are not among the trained parameters.
        queue: float32 (≤ QUEUE, width), normalised embeddings of earlier steps, the newest first.
    """

    def __init__(self, space: CellSpace, rows: np.ndarray, network_width: int, seed: int) -> None:
        super().__init__()
        draw = np.random.default_rng([seed, 2])
        self.cells = cells(space, np.concatenate([rows, np.stack([space.mutate(row, draw) for row in rows])]))
        self.project = Linear(1, network_width, network_width, torch.Generator().manual_seed(seed))
        self.slow: tuple[nn.ModuleList, ...] = ()
        self.queue = torch.zeros(0, network_width)

    def forward(self, network: PredictorNetwork, generator: torch.Generator) -> Tensor:
        batch = torch.randint(len(self.cells) // 2, (BATCH,), generator=generator)
        query = normalize(self.project(network.encoder(self.cells[batch].expand(1)))[0], dim=-1)
        with torch.no_grad():
            slow = self._follow(network)
            key = normalize(slow[1](slow[0](self.cells[batch + len(self.cells) // 2].expand(1)))[0], dim=-1)
        logits = query @ torch.cat([key, self.queue]).T / TEMPERATURE
        self.queue = torch.cat([key, self.queue])[:QUEUE]
        return WEIGHT * cross_entropy(logits, torch.arange(BATCH))

    def _follow(self, network: PredictorNetwork) -> nn.ModuleList:
        """The slow encoder and projection, one step closer to the trained ones."""
        fast = nn.ModuleList([network.encoder, self.project])
        if not self.slow:
            self.slow = (copy.deepcopy(fast),)
        for slower, faster in zip(self.slow[0].parameters(), fast.parameters(), strict=True):
            slower.lerp_(faster, 1 - MOMENTUM)
        return self.slow[0]


def run(table: Table, target: str, seed: int) -> dict[str, float]:
    """``{k}/{labels, contrast}/kendall_tau`` on the held-out half."""
    return _labels.compare(table, target, seed, "contrast", lambda rows: Contrast(table.space, rows, 128, seed))
