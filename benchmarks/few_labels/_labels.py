"""Parts that the experiments share: GATES on k labelled cells, with or without something else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from lbt.nas.predictors.fit import Auxiliary, Options, PredictorNetwork, train
from lbt.nas.predictors.gp import normal_scores
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.stage import halves
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
    network = PredictorNetwork("gates", table.space, options, torch.Generator().manual_seed(seed))
    return train(network, table.rows[chosen], values, options, seed, auxiliary).predict(table.rows[target])[0]


def compare(
    table: Table, target: str, seed: int, name: str, auxiliary: Callable[[np.ndarray], Auxiliary]
) -> dict[str, float]:
    """``{k}/{labels, name}/kendall_tau`` on the held-out half: GATES alone, and with a second loss.

    Args:
        table: all cells.
        target: column to predict.
        seed: of the halves and of the networks.
        name: name of the second loss in the result.
        auxiliary: makes it from the labelled and the unlabelled cells, int64 (cells, L).
    """
    values = table.target(target)
    labelled, held = halves(len(table), seed)
    found: dict[str, float] = {}
    for count in COUNTS:
        few, more = labelled[:count], labelled[: count + UNLABELLED]
        known = normal_scores(values[few])
        for way, second in (("labels", None), (name, auxiliary(table.rows[more]))):
            scores = gates(table, few, known, held, seed, second)
            found[f"{count}/{way}/kendall_tau"] = kendall_tau(scores, values[held])
    return found
