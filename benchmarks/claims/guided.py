"""Search guided by a better and a worse predictor: which finds good cells with fewer evaluations?

The strategy ``predictor`` of :mod:`lbt.nas.search` on NAS-Bench-201, :data:`QUERIES` evaluations, twenty of them random
and twenty a fit after that, once for each predictor; all else is equal, the predictors' random cells too. ``regret/N``
is the table's best accuracy minus the best of N evaluated cells, in points; ``mean_regret`` its mean over the
evaluations after the random ones. ``kendall_tau`` is that of one fit on as many random cells as the search ends with,
on the half of all cells that none of them is from: it tells the better from the worse predictor on equal labels.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import _runs
import numpy as np

from lbt.nas.predictors.fit import Options, fit
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.search.run import SearchOptions, search
from lbt.train.threads import fixed_threads

from . import _architectures as shared
from . import _rows
from . import _setting as setting

NUMBER, SEEDS, QUERIES, EPOCHS = 11, setting.SEEDS, 80, 50
PREDICTORS = ("paths_gp", "gates", "mlp")
RANDOM, SHOWN = 20, (40, 60, 80)
METRICS = ("kendall_tau", "mean_regret", *(f"regret/{count}" for count in SHOWN))


def jobs() -> Iterator[tuple[str, int, Any]]:
    """Random choice, then a search by each predictor, seed by seed."""
    for seed in SEEDS:
        for name in ("random", *PREDICTORS):
            yield name, seed, functools.partial(run, name, seed)


@fixed_threads()
def run(name: str, seed: int) -> dict[str, float]:
    """Regrets of one search and, of a predictor, the order that it gives."""
    options = SearchOptions(
        queries=QUERIES, initial=RANDOM, step=RANDOM, predictor=name, epochs=min(EPOCHS, setting.CAP), explore=0.5
    )
    strategy = "random" if name == "random" else "predictor"
    history = search(strategy, shared.table().space, evaluate, options, shared.FIRST + seed)
    regret = float(shared.values().max()) - history.best
    made = {f"regret/{count}": float(regret[count - 1]) for count in SHOWN}
    made["mean_regret"] = float(regret[RANDOM:].mean())
    return made if name == "random" else made | {"kendall_tau": order(name, seed)}


def evaluate(rows: np.ndarray) -> np.ndarray:
    """Accuracies of rows."""
    return shared.values()[shared.table().space.index(rows)]


def order(name: str, seed: int) -> float:
    """Kendall's tau on the held-out half after as many random labels as the search ends with."""
    chosen, held = shared.split(seed)
    few, truth, rows = chosen[:QUERIES], shared.values(), shared.table().rows
    fitted = fit(name, shared.table().space, rows[few], truth[few], Options(epochs=min(EPOCHS, setting.CAP)), seed)
    return float(kendall_tau(fitted.predict(rows[held])[0], truth[held]))


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Every number, and what a search is ahead of another in regret, paired."""
    made: list[_rows.Row] = []
    for name, seeds in found.items():
        for metric in [one for one in METRICS if one in next(iter(seeds.values()))]:
            unit = "1" if metric == "kendall_tau" else "points"
            made.append(_runs.row(f"claim/{NUMBER}/{name}/{metric}", _rows.values(found, name, metric), unit))
            for other in found:
                if other != name and metric in next(iter(found[other].values())):
                    label = f"claim/{NUMBER}/{other} minus {name}/{metric}"
                    made += _rows.paired(label, found, other, name, metric, unit)
    return made + agreement(found)


def agreement(found: _rows.Found) -> list[_rows.Row]:
    """Agreement of order and search over pairs of predictors, mean of each seed; no row where a predictor is missing.

    1: in every pair the one with the larger tau has the smaller mean regret; -1: in none.
    """
    seeds = sorted(set.intersection(*(set(found.get(name, {})) for name in PREDICTORS)))
    values = []
    for seed in seeds:
        ordered = [(found[name][seed]["kendall_tau"], -found[name][seed]["mean_regret"]) for name in PREDICTORS]
        signs = [np.sign(a[0] - b[0]) * np.sign(a[1] - b[1]) for a, b in itertools.combinations(ordered, 2)]
        values.append(float(np.mean(signs)))
    return [_runs.row(f"claim/{NUMBER}/agreement", values, "1")] if values else []
