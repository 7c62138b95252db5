"""Claim: a mean teacher that trains in 8 bits adapts as well as one in float32, and both close most of the gap.

    python benchmarks/adaptation.py --quick    # one pair, one seed: about two minutes
    python benchmarks/adaptation.py --work .lbt/benchmarks/adaptation --table table.parquet    # params/digits.yaml

The bounds are float32: ``source_only`` (no adaptation) and ``target_supervised`` (all target labels). For each recipe,
pair and method: ``target_accuracy`` on the target's test split, ``gap_closed`` = (it - source_only) /
(target_supervised - source_only), and ``minus_fp32`` = difference to float32 with the same seed, in points. Mean and
standard deviation over seeds; a row without a method is the mean teacher's.

Jobs run in the order of what they are worth, so that a run that is stopped has finished the most telling ones. It
goes on in the same ``--work`` folder. ``--share 0/2`` and ``--share 1/2`` divide the jobs between two processes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from lbt.adapt import stage as adapt
from lbt.adapt.params import AdaptJob, AdaptParams
from lbt.artifacts import read_json, write_images, write_json, write_table
from lbt.data import load_domain
from lbt.params import Params, load_params
from lbt.pretrain import stage as pretrain

SPLITS = ("train", "validation", "test")
FIRST = ("source_only", "target_supervised", "mean_teacher", "adabn")
Row = dict[str, Any]


def main() -> None:
    """Run the grid, print the rows, write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params/digits.yaml"))
    parser.add_argument("--quick", action="store_true", help="the first pair and seed; fp32 and int8 of few methods")
    parser.add_argument("--share", default="0/1", help="which share of the jobs this process runs, for example 0/2")
    parser.add_argument("--collect", action="store_true", help="run nothing; report what the work folder holds")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--table", type=Path, help="write all metrics of all finished jobs to this Parquet file")
    parser.add_argument("--work", type=Path, help="keep data, networks and finished jobs in this folder")
    options = parser.parse_args()
    params = load_params(options.params)
    share, shares = map(int, options.share.split("/"))
    jobs = sorted(params.adapt.jobs(), key=worth(params.adapt))
    if options.quick:
        jobs = [job for job in jobs if worth(params.adapt)(job)[:2] == (0, 0) and job.pair == params.adapt.pair[0]]
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        for job in [] if options.collect else jobs[share::shares]:
            run(params, job, work)
        found = [{**cell(job), **read_json(path)} for job in jobs if (path := finished(job, work)).is_file()]
    made = rows(found)
    for row in made:
        print(f"{row['name']:<60} {row['value']:8.2f} {row['unit']:<7} n={row['n']} std={row['std']:.2f}")
    if options.json:
        options.json.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    if options.table:
        columns = dict.fromkeys(column for one in found for column in one)
        write_table(options.table, {column: [one.get(column) for one in found] for column in columns})


def worth(grid: AdaptParams) -> Callable[[AdaptJob], tuple[int, int, int, int]]:
    """Sort key of a job: bounds and mean teacher in fp32 and int8, then other methods and recipes seed by seed."""

    def key(job: AdaptJob) -> tuple[int, int, int, int]:
        known = job.recipe in ("fp32", "int8")
        telling = known and job.method in FIRST
        place = grid.method.index(job.method) * len(grid.recipe) + grid.recipe.index(job.recipe)
        return (int(not telling), grid.seed.index(job.seed), int(not known), place)

    return key


def cell(job: AdaptJob) -> Row:
    """Place of a job in the grid."""
    return {name: getattr(job, name) for name in ("pair", "method", "recipe", "seed")}


def finished(job: AdaptJob, work: Path) -> Path:
    """The file that a finished job leaves."""
    return work.joinpath("jobs", *map(str, cell(job).values()), "metrics.json")


def run(params: Params, job: AdaptJob, work: Path) -> None:
    """One adaptation job, unless it is finished."""
    done = finished(job, work)
    if done.is_file():
        return
    print(*cell(job).values(), file=sys.stderr, flush=True)
    source, target = job.pair.split("-")
    inputs = adapt.Inputs(
        model=network(params, job, work),
        source=domain(params, source, work),
        target=domain(params, target, work),
    )
    files = {"curve": "curve.parquet", "student": "student.safetensors", "scratch": "scratch"}
    outputs = adapt.Outputs(**{role: done.with_name(name) for role, name in files.items()})
    write_json(done, adapt.run(job, inputs, outputs))


def network(params: Params, job: AdaptJob, work: Path) -> Path:
    """The pretrained network that a job starts from."""
    pair, seed = job.pair, job.seed
    path = work / "pretrain" / params.pretrain.start_name(pair, seed) / "model.safetensors"
    if not path.is_file():
        splits = domain(params, pair.split("-")[0], work)
        outputs = pretrain.Outputs(model=path, curve=path.with_name("curve.parquet"))
        pretrain.run(params.pretrain.start(pair, seed), pretrain.Inputs(**vars(splits)), outputs)
    return path


def domain(params: Params, name: str, work: Path) -> adapt.SplitFiles:
    """The Parquet files of a domain."""
    paths = {split: work / "data" / name / f"{split}.parquet" for split in SPLITS}
    if not all(path.is_file() for path in paths.values()):
        splits = load_domain(params.data.domains[name])
        for split, path in paths.items():
            write_images(path, getattr(splits, split))
    return adapt.SplitFiles(**paths)


def rows(found: list[Row]) -> list[Row]:
    """Benchmark rows of the finished jobs."""
    accuracy = {(one["pair"], one["method"], one["recipe"], one["seed"]): one["target_accuracy"] for one in found}
    made: list[Row] = []
    for pair, method, recipe in dict.fromkeys((one["pair"], one["method"], one["recipe"]) for one in found):
        runs = [one for one in found if (one["pair"], one["method"], one["recipe"]) == (pair, method, recipe)]
        name = f"{recipe}/{pair}" if method == "mean_teacher" else f"{recipe}/{pair}/{method}"
        closed, difference = [], []
        for one in runs:
            low, high, float32 = (
                accuracy.get((pair, *which, one["seed"]))
                for which in (("source_only", "fp32"), ("target_supervised", "fp32"), (method, "fp32"))
            )
            if low is not None and high is not None and high > low:
                closed.append(100 * (one["target_accuracy"] - low) / (high - low))
            if float32 is not None:
                difference.append(one["target_accuracy"] - float32)
        made += [
            *row(f"{name}/target_accuracy", (one["target_accuracy"] for one in runs), "%"),
            *row(f"{name}/gap_closed", closed, "%"),
            *row(f"{name}/minus_fp32", difference, "points"),
            *row(f"{name}/collapsed", (one["collapsed"] for one in runs), "runs"),
            *row(f"{name}/memory", (one["memory/total_bytes"] / 2**20 for one in runs), "MiB"),
        ]
    return made


def row(name: str, values: Iterable[float], unit: str) -> list[Row]:
    """One benchmark row, mean and sample standard deviation; none without values."""
    values = list(values)
    if not values:
        return []
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return [{"name": name, "value": statistics.mean(values), "unit": unit, "n": len(values), "std": spread}]


if __name__ == "__main__":
    main()
