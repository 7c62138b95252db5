"""SemiNAS's loop: train on few labels, label many cells by the prediction, train again on both, repeat.

After Luo et al., NeurIPS 2020 (arXiv 2002.10389), with GATES on NAS-Bench-201: 78 labels and :data:`UNLABELLED` more
cells of the training half, whose predictions, standardised, are their labels in the next round; every round trains a
new network. ``round N`` is the tau on the held-out half, round 0 that of the labels alone. The search of the paper, and
its encoder and decoder, are not in it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import _runs
import numpy as np

from lbt.nas.predictors.fit import Neural, Options, PredictorNetwork
from lbt.nas.predictors.gp import normal_scores
from lbt.nas.predictors.metrics import kendall_tau
from lbt.train.threads import fixed_threads

from . import _architectures as shared
from . import _rows
from . import _setting as setting

NUMBER, SEEDS, ROUNDS, UNLABELLED = 14, setting.SEEDS, 2, 500


def jobs() -> Iterator[tuple[str, int, Any]]:
    """One loop a seed."""
    for seed in SEEDS:
        yield "loop", seed, functools.partial(run, seed)


@fixed_threads()
def run(seed: int) -> dict[str, float]:
    """Kendall's tau on the held-out half after each round."""
    chosen, held = shared.split(seed)
    few, more = chosen[: shared.LABELS], chosen[shared.LABELS : shared.LABELS + UNLABELLED]
    known, rows, truth = normal_scores(shared.values()[few]), shared.table().rows, shared.values()
    fitted = trained(few, known, seed)
    made = {"round 0": float(kendall_tau(fitted.predict(rows[held])[0], truth[held]))}
    for number in range(1, ROUNDS + 1):
        guesses = fitted.predict(rows[more])[0]
        guesses = (guesses - guesses.mean()) / max(float(guesses.std()), 1e-12)
        fitted = trained(np.concatenate([few, more]), np.concatenate([known, guesses]), seed)
        made[f"round {number}"] = float(kendall_tau(fitted.predict(rows[held])[0], truth[held]))
    return made


def trained(chosen: np.ndarray, known: np.ndarray, seed: int) -> Neural:
    """A new GATES trained on ``known`` values of the cells ``chosen``."""
    network = PredictorNetwork("gates", shared.table().space, Options(), shared.generator(seed))
    return shared.fitted_on(network, chosen, known, seed)


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Each round's tau, and its difference from the labels alone."""
    made: list[_rows.Row] = []
    seeds = [one for _, one in sorted(found["loop"].items())]
    for number in range(ROUNDS + 1):
        taus = [one[f"round {number}"] for one in seeds]
        made.append(_runs.row(f"claim/{NUMBER}/round {number}/kendall_tau", taus, "1"))
        gains = [one[f"round {number}"] - one["round 0"] for one in seeds]
        made.append({**_runs.paired(f"claim/{NUMBER}/round {number}/minus_labels", gains), "unit": "1"})
    return made
