"""Transfer between targets: many labels of one target, few of another.

A path-feature Gaussian process is fitted on 781 cells of the source target; k other cells have a label of the new
target. Compared on the held-out half of the new target: the source's predictor as it is (``source``), a process on the
k labels alone (``alone``), and a process on the k labels that has the source's prediction as a feature group of its own
(``transfer``).
"""

from __future__ import annotations

import numpy as np

from lbt.nas.predictors.encoders.paths_gp import process_of
from lbt.nas.predictors.gp import GaussianProcess, normal_scores
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.stage import halves
from lbt.nas.tables import Table

LABELS, TARGETS, COUNTS = 781, ("qat", "analog"), (10, 20, 78, 390)


def run(table: Table, target: str, seed: int) -> dict[str, float]:
    """``{new target}/{k}/{alone, transfer}/kendall_tau`` and ``{new target}/source/kendall_tau``."""
    train, held = halves(len(table), seed)
    source = process_of(table.space, table.rows[train[:LABELS]], table.target(target)[train[:LABELS]], seed)
    prior = source.predict(table.rows)[0]
    found: dict[str, float] = {}
    for name in TARGETS:
        values = table.target(name)
        found[f"{name}/source/kendall_tau"] = kendall_tau(prior[held], values[held])
        for count in COUNTS:
            few = train[LABELS : LABELS + count]
            alone = process_of(table.space, table.rows[few], values[few], seed)
            found[f"{name}/{count}/alone/kendall_tau"] = kendall_tau(alone.predict(table.rows[held])[0], values[held])
            column = (prior[:, None] - prior.mean()) / prior.std()
            groups = [column[few], *alone.groups(table.rows[few])]
            process = GaussianProcess(groups, normal_scores(values[few]))
            scores = process.predict([column[held], *alone.groups(table.rows[held])])[0]
            found[f"{name}/{count}/transfer/kendall_tau"] = kendall_tau(np.asarray(scores), values[held])
    return found
