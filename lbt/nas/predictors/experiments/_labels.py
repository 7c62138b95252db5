"""What the experiments on few labels have in common: GATES on k labelled cells, with or without something else."""

from __future__ import annotations

import numpy as np
import torch

from lbt.nas.predictors.fit import Auxiliary, Network, Options, train
from lbt.nas.tables import Table

COUNTS = (20, 78, 390)
"""Labelled cells."""

UNLABELLED = 1000
"""Cells of the training half that are used without their label, after the labelled ones."""

EPOCHS = 100


def gates(
    table: Table,
    chosen: np.ndarray,
    values: np.ndarray,
    target: np.ndarray,
    seed: int,
    auxiliary: Auxiliary | None = None,
) -> np.ndarray:
    """Scores float64 (len(target),) of the cells ``target`` by GATES trained on ``values`` of the cells ``chosen``."""
    options = Options(epochs=EPOCHS)
    network = Network("gates", table.space, options, torch.Generator().manual_seed(seed))
    return train(network, table.rows[chosen], values, options, seed, auxiliary).predict(table.rows[target])[0]
