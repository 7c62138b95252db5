"""Goal: a found network in found formats is as accurate as the hand-made one in FP32, at half of its int8 energy.

    python benchmarks/loop.py --quick
    python benchmarks/loop.py --seeds 3 --json docs/results/loop.json

Each seed is one whole `lbt choose` from images to adapted networks (search, full trainings, formats by layer, mean
teacher), without a label of the target before the last table. Embedded digits: MNIST is the source, optdigits the
target. Rows, mean and deviation over seeds:

``loop/<run>/found_minus_handmade``: points of target accuracy after adaptation, the answer in its formats minus
``digit_cnn`` in FP32; ``loop/<run>/energy_ratio``: the answer's joules of a trained image over those of ``digit_cnn``
in int8; ``loop/<run>/front_kendall_tau``: worth that the search predicts against real target accuracy, over the points
that were trained in full and adapted in their formats.

A killed run goes on where it was: finished seeds are in ``--runs``, and the work of a seed in ``--work``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import _runs
import numpy as np

from lbt.artifacts import Images, read_json, write_images
from lbt.data import DomainSpec, load_domain
from lbt.nas.choose.options import Options
from lbt.nas.choose.report import METRICS
from lbt.nas.choose.run import choose

PAIRS = {"mnist-optdigits": ("mnist", "optdigits")}
UNITS = {"found_minus_handmade": "points", "energy_ratio": "1", "front_kendall_tau": "1"}
QUICK = {"waves": 1, "wave": 2, "pool": 6, "points": 2, "trial_steps": 5, "steps": 10, "adapt_steps": 5,
         "source_steps": 2}  # fmt: skip


def main() -> None:
    """Run what is missing, and write the rows of everything that is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few steps of everything: that it works, no number")
    parser.add_argument("--runs", type=Path, help="append finished seeds to this file, and skip those that it holds")
    parser.add_argument("--work", type=Path, default=Path(".lbt/loop"), help="folder for the work of each seed")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--seeds", type=int, default=3, help="whole loops, each with a search of its own")
    parser.add_argument("--points", type=int, default=6, help="networks of the front that are trained in full")
    parser.add_argument("--waves", type=int, default=6, help="waves of four short trainings")
    parser.add_argument("--minutes", type=float, default=30.0, help="of searching, for each seed")
    options = parser.parse_args()
    results = _runs.run(jobs(options), options.runs)
    found = list(rows(results))
    for row in found:
        print(f"{row['name']:<48} {row['value']:9.4f} {row['unit']:<6} n={row['n']} std={row['std']:.4f}")
    if options.json:
        _runs.write(options.json, found)


def jobs(options: argparse.Namespace) -> Iterator[_runs.Job]:
    """One job per pair and seed."""
    knobs = {"points": options.points, "waves": options.waves} | (QUICK if options.quick else {})
    for name, pair in PAIRS.items():
        for seed in range(1 if options.quick else options.seeds):
            folder = options.work / f"{name}{'-quick' if options.quick else ''}-{seed}"
            yield name, seed, partial(loop, pair, folder, Options(seed=seed, **knobs), options.minutes)


def loop(pair: tuple[str, str], folder: Path, options: Options, minutes: float) -> dict[str, Any]:
    """One choice; its numbers."""
    paths = [table(kind, folder) for kind in pair]
    choose(paths[0], paths[1], "zcu102", folder / "choice", minutes=minutes, seeds=1, options=options)
    return {key: value for key, value in read_json(folder / "choice" / METRICS).items() if value is not None}


def table(kind: str, folder: Path) -> Path:
    """An embedded domain as a user's table, with the domain's own split."""
    parts = load_domain(DomainSpec(kind=kind)).items()
    pixels, labels = (np.concatenate([getattr(images, name) for _, images in parts]) for name in ("pixels", "labels"))
    split = [name for name, images in parts for _ in range(len(images))]
    path = folder / f"{kind}.parquet"
    write_images(path, Images(pixels, labels, parts[0][1].classes, {"split": split}))
    return path


def rows(results: list[_runs.Result]) -> Iterator[_runs.Result]:
    """Mean and deviation of each number over the seeds."""
    for name in sorted({result["job"] for result in results}):
        for metric, unit in UNITS.items():
            values = [float(r[metric]) for r in results if r["job"] == name and metric in r]
            if values:
                yield _runs.row(f"loop/{name}/{metric}", values, unit)


if __name__ == "__main__":
    main()
