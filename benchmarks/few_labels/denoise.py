"""Denoising cheap scores: does a predictor beat the scores that it was trained on?

Every cell of the training half's first 390 gets a noisy score: the normal score of its value plus Gaussian noise of a
known strength. A path-feature Gaussian process is fitted on the noisy scores and judged against the true values, on the
cells that it was trained on (``fitted``, beside the noisy scores themselves, ``noisy``) and on the held-out half
(``held_out``); ``fused`` is a process on 20 true values with the denoised score as a feature group (the cheap scores as
the prior mean of the true ones), ``alone`` a process on the same 20 without it.
"""

from __future__ import annotations

import numpy as np

from lbt.nas.predictors.encoders.paths_gp import process_of
from lbt.nas.predictors.gp import GaussianProcess, normal_scores
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.stage import halves
from lbt.nas.tables import Table

SCORED, TRUE, STRENGTHS = 390, 20, (0.5, 1.0, 2.0, 4.0)


def run(table: Table, target: str, seed: int) -> dict[str, float]:
    """``{noise}/{noisy, fitted, held_out, fused, alone}/kendall_tau``; noise over signal."""
    values, generator = table.target(target), np.random.default_rng(seed)
    train, held = halves(len(table), seed)
    scored, true = train[:SCORED], train[SCORED : SCORED + TRUE]
    few = process_of(table.space, table.rows[true], values[true], seed)
    alone = few.process.mean(few.groups(table.rows[held]))
    found: dict[str, float] = {}
    for strength in STRENGTHS:
        noisy = normal_scores(values) + strength * generator.normal(size=len(values))
        fitted = process_of(table.space, table.rows[scored], noisy[scored], seed)
        clean = fitted.process.mean(fitted.groups(table.rows))
        column = (clean[:, None] - clean.mean()) / clean.std()
        groups = [column, *fitted.groups(table.rows)]
        process = GaussianProcess([g[true] for g in groups], normal_scores(values[true]))
        fused = process.mean([g[held] for g in groups])
        found |= {
            f"{strength}/noisy/kendall_tau": kendall_tau(noisy[scored], values[scored]),
            f"{strength}/fitted/kendall_tau": kendall_tau(clean[scored], values[scored]),
            f"{strength}/held_out/kendall_tau": kendall_tau(clean[held], values[held]),
            f"{strength}/fused/kendall_tau": kendall_tau(fused, values[held]),
            f"{strength}/alone/kendall_tau": kendall_tau(alone, values[held]),
        }
    return found
