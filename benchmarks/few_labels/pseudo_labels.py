"""Pseudo-labels: a predictor that saw k cells labels 1,000 more, and GATES learns from all of them.

``self``: the teacher is GATES itself (self-training, Lee, ICML workshops 2013); ``process``: the teacher is the
path-feature Gaussian process, whose own tau is ``teacher``. ``labels`` is GATES on the k cells alone.
"""

from __future__ import annotations

import numpy as np

from few_labels import _labels
from lbt.nas.predictors.encoders.paths_gp import process_of
from lbt.nas.predictors.gp import normal_scores
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.stage import halves
from lbt.nas.tables import Table


def run(table: Table, target: str, seed: int) -> dict[str, float]:
    """``{k}/{labels, teacher, self, process}/kendall_tau`` on the held-out half."""
    values = table.target(target)
    train, held = halves(len(table), seed)
    found: dict[str, float] = {}
    for count in _labels.COUNTS:
        few, more = train[:count], train[count : count + _labels.UNLABELLED]
        known, both = normal_scores(values[few]), np.concatenate([few, more])
        process = process_of(table.space, table.rows[few], values[few], seed)
        alone = _labels.gates(table, few, known, np.concatenate([held, more]), seed)
        guesses = {"self": _standard(alone[len(held) :]), "process": process.predict(table.rows[more])[0]}
        scores = {"labels": alone[: len(held)], "teacher": process.predict(table.rows[held])[0]}
        for teacher, guess in guesses.items():
            scores[teacher] = _labels.gates(table, both, np.concatenate([known, guess]), held, seed)
        found |= {f"{count}/{name}/kendall_tau": kendall_tau(score, values[held]) for name, score in scores.items()}
    return found


def _standard(scores: np.ndarray) -> np.ndarray:
    """Scores of a ranking loss have no unit: give them the labels'."""
    return (scores - scores.mean()) / max(scores.std(), 1e-12)
