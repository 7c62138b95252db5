"""Claim: on a table that it has not seen, ``auto`` is at least as good as the best single predictor minus 0.005.

    python benchmarks/own_tables.py --quick           # the chain, 100 labels, two cheap predictors, one seed: a minute
    python benchmarks/own_tables.py --runs docs/results/own_tables_runs.jsonl --json docs/results/own_tables.json

Two tables stand for a user's own. ``chain``: all 6,561 chains of eight layers with three operations; their accuracy is
a formula with layers of unequal importance, neighbours that replace each other, a receptive field that must be large
enough, too much capacity that costs, and noise (:func:`chain`). ``cells``: NAS-Bench-201 after training in 8 bits
(``qat`` of analog-nasbench), not the column that the predictors were designed on. Labels are a random sample; all other
architectures are held out. The options are those of ``lbt predict`` (networks: five, 200 epochs).

Rows ``{table}/{labels}/{predictor}/kendall_tau`` and ``…/seconds`` of processor time. For ``auto`` also
``…/interval_coverage`` and ``…/rank_coverage`` (shares of held-out values and ranks within the bounds that should hold
0.9 of them), ``…/rank_width`` (mean distance of the bounds of the ranks, over the number of ranks), and
``…/minus_best_single``: the mean of its tau minus the largest mean among the other predictors, over the seeds that all
have. ``chain/100/onehot_gp+columns`` has FLOPs and parameters as features; ``chain/columns/{name}`` is the tau of such
a column alone. The seeds start at 10: those below were looked at while ``auto`` was designed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import _runs
import numpy as np
from predictors import benchmark_table
from scipy.stats import rankdata

from lbt.nas.predictors import ENCODERS
from lbt.nas.predictors.calibrate import scores_of
from lbt.nas.predictors.columns import Columns
from lbt.nas.predictors.fit import Options, fit
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.space import SpaceSpec, build
from lbt.nas.tables import Table

SINGLE = ("mlp", "gates", "onehot_gp", "paths_gp", "best")
SIZES = {100: (10, 11, 12), 400: (10,)}
"""Labels, and the seeds that are affordable with so many."""

NOISE = 0.15
"""Deviation of the chain's noise, over that of its accuracy without."""


def main() -> None:
    """Run what was asked for, and write the rows of everything that is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the chain, 100 labels, mlp and onehot_gp, one seed")
    parser.add_argument("--runs", type=Path, help="append finished fits to this file, and skip those that it holds")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--tables", nargs="*", default=["chain", "cells"], choices=["chain", "cells"])
    parser.add_argument("--predictors", nargs="*", default=["auto", *SINGLE], choices=ENCODERS.names())
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES), choices=list(SIZES))
    options = parser.parse_args()
    if options.quick:
        options.tables, options.predictors, options.sizes = ["chain"], ["mlp", "onehot_gp"], [100]
    results = _runs.run(jobs(options), options.runs)
    rows = [*_runs.summary(results), *lead(results)]
    for row in rows:
        print(f"{row['name']:<44} {row['value']:9.4f} {row['unit']:<3} n={row['n']} std={row['std']:.4f}")
    if options.json:
        _runs.write(options.json, rows)


def jobs(options: argparse.Namespace) -> Iterator[_runs.Job]:
    """One job per table, size, predictor and seed."""
    made = {"chain": chain, "cells": cells}
    for name in options.tables:
        table, target = made[name]()
        for size in options.sizes:
            for predictor in options.predictors:
                for seed in SIZES[size][: 1 if options.quick else None]:
                    yield f"{name}/{size}/{predictor}", seed, partial(held_out, table, target, predictor, size, seed)
        if name == "chain" and not options.quick:
            for seed in SIZES[100]:
                yield "chain/100/onehot_gp+columns", seed, partial(with_columns, table, target, 100, seed)
            yield "chain/columns", 0, partial(columns_alone, table, target)


def chain() -> tuple[Table, str]:
    """The made-up chains, with columns ``accuracy`` (per cent), ``flops`` and ``params``."""
    spec = SpaceSpec(
        name="chain", operations_on="node", nodes=10, operations=["k3e3", "k5e3", "k5e6"],
        choose_edges=False, edges=[(i, i + 1) for i in range(9)],
    )  # fmt: skip
    space = build(spec)
    rows = space.all()
    kernel, expansion = np.array([3, 5, 5])[rows], np.array([3, 3, 6])[rows]
    width, side = np.repeat([16, 24, 40, 80], 2), np.repeat([32, 16, 8, 4], 2)
    params = width * expansion * (2 * width + kernel**2)
    flops = (side**2 * params).sum(1)
    capacity = np.log(expansion / 3) + 0.35 * (kernel > 3)
    layers = (capacity * np.array([0.4, 0.6, 0.7, 1.0, 1.1, 1.2, 0.9, 0.6])).sum(1)
    shared = (capacity[:, :-1] * capacity[:, 1:] * np.resize([1.0, 0.5], 7)).sum(1)
    field = 1 + ((kernel - 1) * np.repeat([1, 2, 4, 8], 2)).sum(1)
    quality = layers - 0.25 * shared - 1.2 * np.exp(-(field - 40) / 20) - 0.35 * np.maximum(layers - 4, 0) ** 1.5
    quality = (quality - quality.mean()) / quality.std() + NOISE * np.random.default_rng(0).normal(size=len(rows))
    targets = {"accuracy": 70 + 8 * np.tanh(quality / 2.5), "flops": flops * 1.0, "params": params.sum(1) * 1.0}
    return Table(space, rows, targets), "accuracy"


def cells() -> tuple[Table, str]:
    """NAS-Bench-201 trained in 8 bits."""
    return benchmark_table(), "qat"


def sample(table: Table, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of ``size`` labelled architectures, and of the others."""
    order = np.random.default_rng(seed).permutation(len(table))
    return order[:size], order[size:]


def held_out(table: Table, target: str, predictor: str, size: int, seed: int) -> dict[str, float]:
    """Tau on all architectures but ``size`` labelled ones, and the coverage of a calibrated predictor's bounds."""
    values = table.target(target)
    known, new = sample(table, size, seed)
    start = time.process_time()
    fitted = fit(predictor, table.space, table.rows[known], values[known], Options(members=5), seed)
    seconds = time.process_time() - start
    score, deviation = fitted.predict(table.rows[new])
    found = {"kendall_tau": kendall_tau(score, values[new]), "seconds": seconds}
    if fitted.calibration is None:
        return found
    truth = scores_of(values[new], values[known])
    low, high = fitted.calibration.ranks(score, deviation)
    rank = rankdata(-values[new])
    return found | {
        "interval_coverage": float((np.abs(truth - score) <= fitted.calibration.margin() * deviation).mean()),
        "rank_coverage": float(((low <= rank) & (rank <= high)).mean()),
        "rank_width": float((high - low).mean() / len(new)),
    }


def with_columns(table: Table, target: str, size: int, seed: int) -> dict[str, float]:
    """The one-hot process with FLOPs and parameters beside the operations."""
    values = table.target(target)
    known, new = sample(table, size, seed)
    numbers = np.stack([table.target("flops"), table.target("params")], 1)
    scaled = Columns.of(("flops", "params"), numbers)(numbers)
    fitted = fit("onehot_gp", table.space, table.rows[known], values[known], None, seed, scaled[known])
    return {"kendall_tau": kendall_tau(fitted.predict(table.rows[new], scaled[new])[0], values[new])}


def columns_alone(table: Table, target: str) -> dict[str, float]:
    """Tau of each column by itself."""
    return {name: kendall_tau(table.target(name), table.target(target)) for name in ("flops", "params")}


def lead(results: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows ``minus_best_single``; the deviation is that of the differences over the seeds."""
    tau = {(r["job"], r["seed"]): r["kendall_tau"] for r in results if "kendall_tau" in r}
    for job in sorted({job for job, _ in tau if job.endswith("/auto")}):
        prefix = job.removesuffix("auto")
        seeds = [s for s in SIZES[int(prefix.split("/")[1])] if all((prefix + n, s) in tau for n in ("auto", *SINGLE))]
        if not seeds:
            continue
        best = max(SINGLE, key=lambda name: np.mean([tau[prefix + name, seed] for seed in seeds]))
        gaps = [tau[job, seed] - tau[prefix + best, seed] for seed in seeds]
        std = float(np.std(gaps, ddof=1)) if len(gaps) > 1 else 0.0
        value = float(np.mean(gaps))
        yield {"name": f"{job}/minus_best_single", "value": value, "unit": "1", "n": len(gaps), "std": std}


if __name__ == "__main__":
    main()
