"""Claim: a mean teacher that trains in 8 bits adapts as well as one in float32, and both close most of the gap.

    python benchmarks/adaptation.py --quick                    # one pair, one seed, fp32 and int8: a few minutes
    python benchmarks/adaptation.py --seeds 5 --work /tmp/w    # four pairs; goes on where an interrupted run stopped

The bounds are float32: ``source_only`` (no adaptation) and ``target_supervised`` (all target labels). For each recipe
and pair: ``target_accuracy`` of the teacher on the target's test split, ``gap_closed`` = (teacher - source_only) /
(target_supervised - source_only), and ``minus_fp32`` = difference to float32 with the same seed. Mean and standard
deviation over seeds. One pretrained network per source domain.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lbt.adapt import stage as adapt
from lbt.adapt.params import AdaptParams
from lbt.artifacts import read_json, write_images, write_json
from lbt.data import DataParams, load_domain
from lbt.pretrain import stage as pretrain
from lbt.pretrain.params import PretrainParams

PAIRS = ("mnist-optdigits", "mnist-mnistm", "synth-mnist", "optdigits-mnist")
SPLITS = ("train", "validation", "test")
Row = dict[str, Any]


def main() -> None:
    """Run the grid, print the table, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one pair, one seed")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--pairs", nargs="+", default=list(PAIRS))
    parser.add_argument("--recipes", nargs="+", default=["fp32", "int8"], help="fp32 is always run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="keep data, networks and finished jobs in this folder")
    options = parser.parse_args()
    if options.quick:
        options.pairs, options.seeds = options.pairs[:1], 1
    with tempfile.TemporaryDirectory() as temporary:
        rows = benchmark(options.pairs, options.recipes, range(options.seeds), options.work or Path(temporary))
    for row in rows:
        print(f"{row['name']:<52} {row['value']:8.2f} {row['unit']:<7} n={row['n']} std={row['std']:.2f}")
    if options.json:
        write_rows(options.json, rows)


def benchmark(pairs: Sequence[str], recipes: Sequence[str], seeds: Sequence[int], work: Path) -> list[Row]:
    """Rows of all pairs."""
    rows: list[Row] = []
    for pair in pairs:
        low, high = (
            [job(pair, bound, "fp32", seed, work)["target_accuracy"] for seed in seeds]
            for bound in ("source_only", "target_supervised")
        )
        rows += [row(f"fp32/{pair}/source_only", low, "%"), row(f"fp32/{pair}/target_supervised", high, "%")]
        float32: list[float] = []
        for recipe in ["fp32", *(name for name in recipes if name != "fp32")]:
            results = [job(pair, "mean_teacher", recipe, seed, work) for seed in seeds]
            reached = [run["target_accuracy"] for run in results]
            float32 = float32 or reached
            closed = [100 * (r - a) / (b - a) for r, a, b in zip(reached, low, high, strict=True)]
            rows += [
                row(f"{recipe}/{pair}/target_accuracy", reached, "%"),
                row(f"{recipe}/{pair}/gap_closed", closed, "%"),
                row(f"{recipe}/{pair}/minus_fp32", [r - f for r, f in zip(reached, float32, strict=True)], "points"),
                row(f"{recipe}/{pair}/collapsed", [run["collapsed"] for run in results], "runs"),
                row(f"{recipe}/{pair}/memory", [run["memory/total_bytes"] / 2**20 for run in results], "MiB"),
            ]
    return rows


def row(name: str, values: Sequence[float], unit: str) -> Row:
    """One benchmark row: mean and sample standard deviation."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"name": name, "value": statistics.mean(values), "unit": unit, "n": len(values), "std": spread}


def write_rows(path: Path, rows: list[Row]) -> None:
    """The rows as a JSON list."""
    path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def job(pair: str, method: str, recipe: str, seed: int, work: Path) -> dict[str, Any]:
    """Metrics of one adaptation job; a finished one is read back."""
    done = work / "jobs" / pair / method / recipe / str(seed) / "metrics.json"
    if not done.is_file():
        print(f"{pair} {method} {recipe} seed {seed}", file=sys.stderr, flush=True)
        source, target = pair.split("-")
        inputs = adapt.Inputs(network(source, work), domain(source, work), domain(target, work))
        folder = done.parent
        outputs = adapt.Outputs(folder / "curve.parquet", folder / "student.safetensors", scratch=folder / "scratch")
        write_json(done, adapt.run(AdaptParams().job(pair, method, recipe, seed), inputs, outputs))
    return read_json(done)


def network(source: str, work: Path) -> Path:
    """The pretrained network of a source domain."""
    path = work / "pretrain" / source / "model.safetensors"
    if not path.is_file():
        splits = domain(source, work)
        inputs = pretrain.Inputs(splits.train, splits.validation, splits.test)
        pretrain.run(PretrainParams(), inputs, pretrain.Outputs(path, path.with_name("curve.parquet")))
    return path


def domain(name: str, work: Path) -> adapt.Splits:
    """The Parquet files of a domain."""
    paths = {split: work / "data" / name / f"{split}.parquet" for split in SPLITS}
    if not all(path.is_file() for path in paths.values()):
        splits = load_domain(DataParams.model_validate({"domains": {name: {}}}).domains[name])
        for split, path in paths.items():
            write_images(path, getattr(splits, split))
    return adapt.Splits(**paths)


if __name__ == "__main__":
    main()
