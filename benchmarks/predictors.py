"""Claim: from 78 of NAS-Bench-201's cells, ``best`` orders the held-out half at Kendall's tau of 0.82 or more.

    python benchmarks/predictors.py --quick                       # two encoders, two sizes, one seed: about a minute
    python benchmarks/predictors.py --json docs/results/predictors.json

Floating-point accuracy on CIFAR-10, a random half for training and the other half held out, training sets nested,
GATES and MLP trained for 200 epochs with the hinge loss. Rows: ``{encoder}/{size}/{metric}``, mean and standard
deviation over seeds, and ``{encoder}/{size}/seconds`` for one fit; ``{experiment}/{name}`` for the experiments with
fewer labels (``lbt/nas/predictors/experiments``). The peers' numbers are in docs/predictors.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lbt.artifacts import atomic
from lbt.nas import tables
from lbt.nas.predictors import ENCODERS, metrics
from lbt.nas.predictors.experiments import EXPERIMENTS
from lbt.nas.predictors.fit import Options, fit
from lbt.nas.predictors.stage import halves

SIZES = (78, 390, 781, 3906, 7812)
Row = dict[str, Any]


def main() -> None:
    """Run what was asked for, print each row when it is known, and write them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="mlp and paths_gp, 78 and 390 cells, one seed")
    parser.add_argument("--json", type=Path, help="write the rows to this file; rows that it holds are kept")
    parser.add_argument("--encoders", nargs="*", default=["mlp", "gates", "paths_gp", "best"], choices=ENCODERS.names())
    parser.add_argument("--experiments", nargs="*", default=EXPERIMENTS.names(), choices=EXPERIMENTS.names())
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--target", default="fp")
    options = parser.parse_args()
    if options.quick:
        options.encoders, options.experiments, options.sizes, options.seeds = ["mlp", "paths_gp"], [], [78, 390], 1
    kept = json.loads(options.json.read_text()) if options.json and options.json.is_file() else []
    rows = {row["name"]: row for row in kept}
    with tempfile.TemporaryDirectory() as folder:
        tables.write_nasbench201(Path(folder) / "table.parquet")
        table = tables.read(Path(folder) / "table.parquet", "nasbench201", complete=True)
    for row in benchmark(table, options):
        print(f"{row['name']:<40} {row['value']:9.4f} {row['unit']:<6} n={row['n']} std={row['std']:.4f}", flush=True)
        rows[row["name"]] = row
        if options.json:
            with atomic(options.json) as temporary:
                temporary.write_text(json.dumps([rows[name] for name in sorted(rows)], indent=1) + "\n")


def benchmark(table: tables.Table, options: argparse.Namespace) -> Iterator[Row]:
    """Rows of every size and encoder, then of every experiment."""
    seeds = range(options.seeds)
    for size in options.sizes:
        for encoder in options.encoders:
            found = (held_out(table, options.target, encoder, size, options.epochs, seed) for seed in seeds)
            yield from summary(f"{encoder}/{size}", found)
    for name in options.experiments:
        run = EXPERIMENTS.load(name).run
        yield from summary(name, (run(table, options.target, seed) for seed in seeds))


def held_out(table: tables.Table, target: str, encoder: str, size: int, epochs: int, seed: int) -> dict[str, float]:
    """Metrics on the held-out half of a predictor fitted on ``size`` cells of the other."""
    values = table.target(target)
    train, held = halves(len(table), seed)
    chosen = train[:size]
    batch = min(128, max(size // 2, 2))
    start = time.perf_counter()
    fitted = fit(encoder, table.space, table.rows[chosen], values[chosen], Options(epochs=epochs, batch=batch), seed)
    seconds = time.perf_counter() - start
    scores, _ = fitted.predict(table.rows[held])
    return {**metrics.ranking(scores, values[held]), "seconds": seconds}


def summary(prefix: str, results: Iterable[Mapping[str, float]]) -> Iterator[Row]:
    """One row per metric: mean and standard deviation over the seeds."""
    by_name = defaultdict(list)
    for result in results:
        for name, value in result.items():
            by_name[name].append(value)
    for name, values in by_name.items():
        unit = "s" if name == "seconds" else "1"
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        yield {
            "name": f"{prefix}/{name}",
            "value": float(np.mean(values)),
            "unit": unit,
            "n": len(values),
            "std": spread,
        }


if __name__ == "__main__":
    main()
