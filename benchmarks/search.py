"""Claim: guided by a predictor, 100 evaluations find a cell as good as random choice does with thousands.

    python benchmarks/search.py --quick
    python benchmarks/search.py --runs docs/results/predictors_search.jsonl --json docs/results/predictors_search.json

NAS-Bench-201, floating-point accuracy on CIFAR-10; regret is the table's best accuracy minus the best one found, in
points. Rows ``{strategy}/{queries}/regret`` with mean and deviation and, beside them, ``…/regret_median``,
``…/regret_lower`` and ``…/regret_upper`` (quartiles over the seeds). ``trade_off/{strategy}/hypervolume``: five
searches of 100 evaluations with budgets of hardware cost spread over its range; the share of the whole table's
hypervolume (accuracy above the median, energy below the most expensive cell's) that their cells' Pareto front has.

``reward/{fine}/{noise}/{with,without}/regret``: evolution sees accuracies with Gaussian noise of so many points, drawn
once per cell and seed, as from few labelled images; regret is that of the true accuracy of the cell that it ends with.
``with`` adds a fine objective below the threshold that follows from the noise, which is measured on fifty cells
(:mod:`lbt.nas.search.reward`). ``nwot`` needs no label: how well the untrained cell tells images apart (Mellor et al.,
arXiv 2006.04647). ``analog`` is the accuracy on another device, which is indirect and not noisy. ``…/threshold`` is in
points, ``…/fine_tau`` Kendall's tau of the fine objective with the true accuracy.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import _runs
import numpy as np
from predictors import benchmark_table
from scipy.stats import rankdata

from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.zero_cost import zero_cost
from lbt.nas.search import STRATEGIES
from lbt.nas.search.costs import NAMES
from lbt.nas.search.params import Knobs
from lbt.nas.search.reward import ThresholdedReward, threshold_of
from lbt.nas.search.run import SearchOptions, search
from lbt.nas.search.stage import objective
from lbt.nas.tables import Table
from lbt.pareto import hypervolume, pareto

QUERIES, SHOWN = 150, (25, 50, 100, 150)
BUDGETS, SHORT = 5, 100
NOISES, MEASURED = (0.3, 1.0, 3.0), 50
FINE: dict[str, Callable[[Table], np.ndarray]] = {
    "nwot": lambda table: zero_cost(table.space, table.rows)[:, 6],
    "analog": lambda table: table.target("analog"),
}


def main() -> None:
    """Run what was asked for, and write the rows of everything that is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="random choice and evolution, three seeds")
    parser.add_argument("--runs", type=Path, help="append finished searches to this file, and skip those that it holds")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--strategies", nargs="*", default=STRATEGIES.names(), choices=STRATEGIES.names())
    parser.add_argument("--trade-off", nargs="*", default=["random", "evolution"], choices=STRATEGIES.names())
    parser.add_argument("--fine", nargs="*", default=list(FINE), choices=list(FINE))
    parser.add_argument("--cost", default="energy", choices=NAMES)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    if options.quick:
        options.strategies, options.trade_off, options.cost, options.seeds = ["random", "evolution"], [], "weights", 3
        options.fine = ["analog"]
    results = _runs.run(jobs(benchmark_table(), options), options.runs)
    rows = [*_runs.summary(results), *quartiles(results)]
    for row in rows:
        print(f"{row['name']:<44} {row['value']:9.4f} {row['unit']:<3} n={row['n']} std={row['std']:.4f}")
    if options.json:
        _runs.write(options.json, rows)


def jobs(table: Table, options: argparse.Namespace) -> Iterator[_runs.Job]:
    """One job per strategy and seed, and one trade-off per strategy and seed."""
    for name in options.strategies:
        for seed in range(options.seeds):
            yield name, seed, partial(single, table, name, seed)
    if options.trade_off:
        reward, cost = objective(Knobs(cost=options.cost), table)
        assert cost is not None
        costs = cost(table.rows)
        for name in options.trade_off:
            for seed in range(options.seeds):
                yield f"trade_off/{name}", seed, partial(trade_off, table, name, reward(table.rows), costs, seed)
    for name in options.fine:
        for noise in NOISES:
            for seed in range(options.seeds):
                yield f"reward/{name}/{noise}", seed, partial(two_objectives, table, FINE[name](table), noise, seed)


def single(table: Table, strategy: str, seed: int) -> dict[str, Any]:
    """Regret after each query, and at those in ``SHOWN``."""
    values = table.target("fp")
    history = search(strategy, table.space, look_up(table, values), SearchOptions(queries=QUERIES, step=20), seed)
    regret = values.max() - history.best
    return {f"{queries}/regret": float(regret[queries - 1]) for queries in SHOWN} | {"regret": regret.tolist()}


def trade_off(table: Table, strategy: str, values: np.ndarray, costs: np.ndarray, seed: int) -> dict[str, Any]:
    """The front of the cells that searches under ``BUDGETS`` budgets evaluate."""
    found = []
    for number, budget in enumerate(np.linspace(costs.min(), costs.max(), BUDGETS + 1)[1:]):
        reward = values - 20 * np.maximum(costs / budget - 1, 0)
        options = SearchOptions(queries=SHORT, population=25)
        history = search(strategy, table.space, look_up(table, reward), options, BUDGETS * seed + number)
        found.append(table.space.index(history.rows))
    seen = np.unique(np.concatenate(found))
    worst = (float(np.median(values)), float(costs.max()))
    front = seen[pareto(values[seen], costs[seen])]
    return {
        "hypervolume": hypervolume(values[seen], costs[seen], worst) / hypervolume(values, costs, worst),
        "front_value": values[front].tolist(),
        "front_cost": costs[front].tolist(),
    }


def two_objectives(table: Table, fine: np.ndarray, noise: float, seed: int) -> dict[str, Any]:
    """Regret of searching by noisy accuracies, with and without the fine objective."""
    truth, generator = table.target("fp"), np.random.default_rng([seed, 7])
    noisy = truth + noise * generator.normal(size=len(table))
    some = generator.permutation(len(table))[:MEASURED]
    threshold = threshold_of(truth[some] + noise * generator.normal(size=(2, MEASURED)))
    share = (rankdata(fine) - 1) / (len(table) - 1)
    found: dict[str, Any] = {"threshold": threshold, "fine_tau": kendall_tau(fine, truth)}
    for name, chosen in (("without", None), ("with", look_up(table, share))):
        reward = ThresholdedReward(look_up(table, noisy), threshold, chosen)
        history = search("evolution", table.space, reward, SearchOptions(queries=QUERIES, population=25), seed)
        found[f"{name}/regret"] = float(truth.max() - truth[table.space.index(history.best_row[None])[0]])
    return found


def look_up(table: Table, values: np.ndarray) -> Any:
    """An evaluation that answers from the table."""
    return lambda rows: values[table.space.index(rows)]


def quartiles(results: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Median and quartiles of the regrets over the seeds."""
    for name in sorted({r["job"] for r in results if "regret" in r}):
        curves = np.array([r["regret"] for r in results if r["job"] == name])
        for queries in SHOWN:
            for label, q in (("lower", 25), ("median", 50), ("upper", 75)):
                value = float(np.percentile(curves[:, queries - 1], q))
                row = {"name": f"{name}/{queries}/regret_{label}", "value": value, "unit": "1"}
                yield {**row, "n": len(curves), "std": float(curves[:, queries - 1].std(ddof=1))}


if __name__ == "__main__":
    main()
