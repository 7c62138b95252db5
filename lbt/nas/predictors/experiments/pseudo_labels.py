"""Pseudo-labels: a Gaussian process that saw k cells labels 1,000 more, and GATES learns from all of them.

Compared with GATES on the k cells alone and with the process itself (the teacher), on the held-out half.
"""

from __future__ import annotations

import numpy as np

from lbt.nas.predictors.encoders.paths_gp import PathsGP
from lbt.nas.predictors.fit import Options, fit
from lbt.nas.predictors.gp import normal_scores
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.stage import halves
from lbt.nas.tables import Table

COUNTS, UNLABELLED = (78, 390), 1000


def run(table: Table, target: str, seed: int) -> dict[str, float]:
    """``{k}/{teacher, labels, pseudo_labels}/kendall_tau``."""
    values = table.target(target)
    train, held = halves(len(table), seed)
    found: dict[str, float] = {}
    for count in COUNTS:
        few, more = train[:count], train[count : count + UNLABELLED]
        teacher = PathsGP(table.space, table.rows[few], values[few], seed)
        labels = np.concatenate([normal_scores(values[few]), teacher.predict(table.rows[more])[0]])
        both = np.concatenate([few, more])
        alone = fit("gates", table.space, table.rows[few], values[few], Options(epochs=100, batch=39), seed)
        student = fit("gates", table.space, table.rows[both], labels, Options(epochs=40), seed)
        for name, fitted in (("teacher", teacher), ("labels", alone), ("pseudo_labels", student)):
            found[f"{count}/{name}/kendall_tau"] = kendall_tau(fitted.predict(table.rows[held])[0], values[held])
    return found
