"""Active learning: which cells to evaluate next? Random, most uncertain, most different, or expected improvement.

From 20 random cells of the training half, 20 more at a time are chosen by the path-feature Gaussian process until there
are 120; each fit is judged on the held-out half. ``diverse`` takes greedily the cell farthest from all chosen ones in
the features; ``improvement`` takes the largest expected improvement over the best normal score so far (Jones et al.,
1998).
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from lbt.nas.predictors.encoders.paths_gp import process_of
from lbt.nas.predictors.gp import normal_scores
from lbt.nas.predictors.groups import GroupProcess
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.stage import halves
from lbt.nas.tables import Table

START, STEP, LABELS = 20, 20, 120


def run(table: Table, target: str, seed: int) -> dict[str, float]:
    """``{rule}/{labels}/kendall_tau`` on the held-out half and ``{rule}/{labels}/regret`` (target's unit)."""
    values = table.target(target)
    train, held = halves(len(table), seed)
    found: dict[str, float] = {}
    for rule in ("random", "uncertain", "diverse", "improvement"):
        chosen = list(train[:START])
        while True:
            fitted = process_of(table.space, table.rows[chosen], values[chosen], seed)
            if len(chosen) > START:
                scores, _ = fitted.predict(table.rows[held])
                found[f"{rule}/{len(chosen)}/kendall_tau"] = kendall_tau(scores, values[held])
                found[f"{rule}/{len(chosen)}/regret"] = float(values[train].max() - values[chosen].max())
            if len(chosen) >= LABELS:
                break
            pool = np.setdiff1d(train, chosen)
            chosen += list(_choose(rule, fitted, table.rows, values, chosen, pool, seed + len(chosen)))
    return found


def _choose(
    rule: str,
    fitted: GroupProcess,
    rows: np.ndarray,
    values: np.ndarray,
    chosen: list[int],
    pool: np.ndarray,
    seed: int,
) -> np.ndarray:
    if rule == "random":
        return np.random.default_rng(seed).choice(pool, STEP, replace=False)
    if rule == "diverse":
        features = np.concatenate([group / group.shape[1] ** 0.5 for group in fitted.groups(rows)], 1)
        return _farthest(features, chosen, pool, STEP)
    mean, deviation = fitted.predict(rows[pool])
    if rule == "uncertain":
        merit = deviation
    else:
        best = normal_scores(values[chosen]).max()
        gap = (mean - best) / np.maximum(deviation, 1e-9)
        merit = deviation * (gap * norm.cdf(gap) + norm.pdf(gap))
    return pool[np.argsort(-merit, kind="stable")[:STEP]]


def _farthest(features: np.ndarray, chosen: list[int], pool: np.ndarray, count: int) -> np.ndarray:
    """``count`` of ``pool``, each the farthest from ``chosen`` and from those before it."""
    nearest = np.full(len(pool), np.inf)
    for cell in chosen:
        nearest = np.minimum(nearest, ((features[pool] - features[cell]) ** 2).sum(1))
    picked = []
    for _ in range(count):
        picked.append(pool[int(np.argmax(nearest))])
        nearest = np.minimum(nearest, ((features[pool] - features[picked[-1]]) ** 2).sum(1))
    return np.array(picked)
