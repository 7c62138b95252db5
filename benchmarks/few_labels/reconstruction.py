"""Semi-supervised: encoder, predictor and decoder, trained together.

After NAO (Luo et al., NeurIPS 2018) and SemiNAS (Luo et al., NeurIPS 2020, arXiv 2002.10389). A linear decoder has to
name every slot's operation from the embedding, also for 1,000 cells without a label. Isomorphic cells have one
embedding, so each is to be decoded into the first of the cells that are the same.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from few_labels import _labels
from lbt.nas.predictors.cells import cells
from lbt.nas.predictors.fit import PredictorNetwork
from lbt.nas.predictors.layers import Linear
from lbt.nas.space import CellSpace
from lbt.nas.tables import Table

WEIGHT, BATCH = 0.5, 128


class Reconstruction(nn.Module):
    """See :class:`lbt.nas.predictors.fit.Auxiliary`: mean cross-entropy of the operations, times ``WEIGHT``."""

    def __init__(self, space: CellSpace, rows: np.ndarray, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.cells, self.kinds = cells(space, rows), len(space.operations)
        _, first, same = np.unique(self.cells.states[:, -1].numpy(), return_index=True, return_inverse=True)
        self.operations = self.cells.operations[torch.from_numpy(first[same])]
        self.decoder = Linear(1, width, self.operations.shape[1] * self.kinds, generator)

    def forward(self, network: PredictorNetwork, generator: torch.Generator) -> Tensor:
        batch = torch.randint(len(self.cells), (BATCH,), generator=generator)
        logits = self.decoder(network.encoder(self.cells[batch].expand(1)))
        return WEIGHT * cross_entropy(logits.view(-1, self.kinds), self.operations[batch].flatten())


def run(table: Table, target: str, seed: int) -> dict[str, float]:
    """``{k}/{labels, reconstruction}/kendall_tau`` on the held-out half."""

    def decoder(rows: np.ndarray) -> Reconstruction:
        return Reconstruction(table.space, rows, 128, torch.Generator().manual_seed(seed))

    return _labels.compare(table, target, seed, "reconstruction", decoder)
