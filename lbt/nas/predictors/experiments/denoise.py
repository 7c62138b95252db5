"""Denoising cheap scores: does a predictor beat the scores that it was trained on?

Every cell of the training half's first 781 gets a noisy score: the normal score of its value plus Gaussian noise of a
known strength. A path-feature Gaussian process is fitted on the noisy scores and judged against the true values, on the
cells that it was trained on (``fitted``, beside the noisy scores themselves, ``noisy``) and on the held-out half
(``held_out``); ``fused`` is a process on 20 true values with the denoised score as a feature group. The rows
``subspace`` are Kendall's tau of the noisy score within the best and the worst of the 30 subspaces that fix one edge's
operation.
"""

from __future__ import annotations

import numpy as np

from lbt.nas.predictors.encoders.paths_gp import PathsGP
from lbt.nas.predictors.gp import GaussianProcess, normal_scores
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.stage import halves
from lbt.nas.tables import Table

SCORED, TRUE, STRENGTHS = 781, 20, (0.5, 1.0, 2.0)


def run(table: Table, target: str, seed: int) -> dict[str, float]:
    """``{noise}/{noisy, fitted, held_out, fused, subspace_best, subspace_worst}/kendall_tau``; noise over signal."""
    values, generator = table.target(target), np.random.default_rng(seed)
    train, held = halves(len(table), seed)
    scored, true = train[:SCORED], train[SCORED : SCORED + TRUE]
    found: dict[str, float] = {}
    for strength in STRENGTHS:
        noisy = normal_scores(values) + strength * generator.normal(size=len(values))
        fitted = PathsGP(table.space, table.rows[scored], noisy[scored], seed)
        clean = fitted.predict(table.rows)[0]
        column = (clean[:, None] - clean.mean()) / clean.std()
        groups = [column, *fitted.groups(table.rows)]
        process = GaussianProcess([g[true] for g in groups], normal_scores(values[true]))
        fused = process.predict([g[held] for g in groups])[0]
        taus = [
            kendall_tau(noisy[mask], values[mask])
            for slot in range(table.rows.shape[1])
            for operation in np.unique(table.rows[:, slot])
            if (mask := table.rows[:, slot] == operation).any()
        ]
        found |= {
            f"{strength}/noisy/kendall_tau": kendall_tau(noisy[scored], values[scored]),
            f"{strength}/fitted/kendall_tau": kendall_tau(clean[scored], values[scored]),
            f"{strength}/held_out/kendall_tau": kendall_tau(clean[held], values[held]),
            f"{strength}/fused/kendall_tau": kendall_tau(fused, values[held]),
            f"{strength}/subspace_best/kendall_tau": max(taus),
            f"{strength}/subspace_worst/kendall_tau": min(taus),
        }
    return found
