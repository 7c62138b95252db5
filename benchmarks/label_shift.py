"""Claim: a target of unequal classes is adapted to as well as a balanced one, and no method ruins the network.

    python benchmarks/label_shift.py --work .lbt/benchmarks/label_shift --runs docs/results/label_shift_runs.jsonl \\
        --json docs/results/label_shift.json
    python benchmarks/label_shift.py --quick    # one pair, one seed, two shifts, two methods: about two minutes

The target's three splits are thinned out: ``balanced`` (as they are), ``dirichlet`` (class frequencies from a Dirichlet
distribution with parameter 0.3), ``tail`` (400, 200, 100, 50 and six times 30 of 400, the classes in random order),
``one`` (80 % of one class). No method sees a label of the target but ``target_supervised``, the bound.

Rows: ``shift/PAIR/SHIFT/METHOD/RECIPE/…``: ``target_accuracy`` and ``minus_start``, points against the pretrained
network on the same test images; ``gap_closed``, the share of start to bound (where that is 3 points or more);
``tuned`` in the place of a method is the one that ``lbt tune`` would choose, ``regret`` its points behind the oracle's;
``unguarded_minus_start``, as if the guard (lbt/adapt/guard.py) were off; ``rolled_back``, runs that it refused. Every
run is appended to ``--runs`` at once, and a run that is there is not done again; ``--share 0/2`` and ``--share 1/2``
divide the jobs between two processes. ``--equal`` runs every job as if the target were balanced (``class_shares:
equal``). ``--first-seed 5 --seeds 1`` with another file are the runs by which the guard's two numbers were chosen.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import _runs
import adaptation
import numpy as np

from lbt.adapt import stage as adapt
from lbt.artifacts import Images, read_images, write_images
from lbt.params import Params, load_params

SHIFTS = ("tail", "one", "balanced", "dirichlet")
METHODS = (("mean_teacher", "int8"), ("target_supervised", "fp32"), ("adabn", "fp32"), ("tent", "fp32"),
           ("mean_teacher", "fp32"), ("shot", "fp32"), ("dsbn", "fp32"))  # fmt: skip
TAIL = (400, 200, 100, 50, 30, 30, 30, 30, 30, 30)
LEAST = 2
"""Images of a class that a thinned split keeps."""
WIDE_GAP = 3.0
"""Points from start to bound below which the share of the gap is noise."""
Run = dict[str, Any]


def main() -> None:
    """Run the jobs, print the rows, write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params/digits.yaml"))
    parser.add_argument("--quick", action="store_true", help="two shifts of the first pair, mean teacher and its bound")
    parser.add_argument("--equal", action="store_true", help="take the target for balanced")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--share", default="0/1", help="which share of the jobs this process runs, for example 0/2")
    parser.add_argument("--work", type=Path, help="keep data and pretrained networks in this folder")
    parser.add_argument("--runs", type=Path, help="JSON lines, one a finished job")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    params = load_params(options.params)
    with tempfile.TemporaryDirectory() as temporary:
        work, runs = options.work or Path(temporary), options.runs or Path(temporary) / "runs.jsonl"
        share, shares = map(int, options.share.split("/"))
        for job in jobs(params, range(options.first_seed, options.first_seed + options.seeds), options.quick)[
            share::shares
        ]:
            job["shares"] = "equal" if options.equal else "estimated"
            if not any(all(line.get(key) == value for key, value in job.items()) for line in _runs.lines(runs)):
                print(*job.values(), file=sys.stderr, flush=True)
                _runs.append(runs, {**job, **run(params, work, **job)})
        made = rows(list(_runs.lines(runs)))
    for row in made:
        print(f"{row['name']:<66} {row['value']:8.2f} {row['unit']:<7} n={row['n']} std={row['std']:.2f}")
    if options.json:
        options.json.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")


def jobs(params: Params, seeds: range, quick: bool) -> list[Run]:
    """All jobs, most telling first."""
    pairs, methods, shifts = params.adapt.pair, METHODS, SHIFTS
    if quick:
        pairs, methods, shifts, seeds = pairs[:1], METHODS[:2], SHIFTS[:2], seeds[:1]
    names = ("seed", "method", "shift", "pair")
    cells = [dict(zip(names, cell, strict=True)) for cell in product(seeds, methods, shifts, pairs)]
    return [{**cell, "method": cell["method"][0], "recipe": cell["method"][1]} for cell in cells]


def run(params: Params, work: Path, *, pair: str, shift: str, method: str, recipe: str, seed: int, shares: str) -> Run:
    """One adaptation; the accuracies, and what was estimated."""
    changed = params.adapt.model_copy(update={"class_shares": shares})
    job = changed.job(pair, method, recipe, seed)
    source, target = pair.split("-")
    inputs = adapt.Inputs(
        model=adaptation.network(params, job, work),
        source=adaptation.domain(params, source, work),
        target=thinned(adaptation.domain(params, target, work), shift, seed, work / "shifted" / target),
    )
    with tempfile.TemporaryDirectory() as folder:
        outputs = adapt.Outputs(curve=Path(folder) / "curve.parquet", student=Path(folder) / "student.safetensors")
        metrics = adapt.run(job, inputs, outputs)
    kept = ("before/target_accuracy", "target_accuracy", "collapsed", "rolled_back")
    kept += tuple(name for name in metrics if name.startswith("guard/"))
    given_up = metrics.get("adapted/target_accuracy", metrics["target_accuracy"])
    return {"steps": job.steps, **{name: metrics[name] for name in kept}, "adapted/target_accuracy": given_up}


def thinned(splits: adapt.SplitFiles, shift: str, seed: int, folder: Path) -> adapt.SplitFiles:
    """The splits with the class frequencies of ``shift``."""
    if shift == "balanced":
        return splits
    files = {}
    for name, path in vars(splits).items():
        images = read_images(path)
        files[name] = folder / f"{shift}-{seed}-{name}.parquet"
        write_images(files[name], thin(images, frequencies(shift, seed, len(images.classes)), seed))
    return adapt.SplitFiles(**files)


def frequencies(shift: str, seed: int, classes: int) -> np.ndarray:
    """Relative class frequencies, (K,), the largest 1."""
    g = np.random.default_rng(seed)
    if shift == "tail":
        found = g.permutation(np.resize(np.array(TAIL, float), classes))
    elif shift == "one":
        found = np.full(classes, 0.2 / (classes - 1))
        found[g.integers(classes)] = 0.8
    else:
        found = g.dirichlet(np.full(classes, 0.3))
    return found / found.max()


def thin(images: Images, wanted: np.ndarray, seed: int) -> Images:
    """As many images of each class as ``wanted`` times the most frequent one's; ``LEAST`` at least."""
    g, kept = np.random.default_rng(seed), []
    most = min(np.bincount(images.labels)[wanted == 1])
    for label, share in enumerate(wanted):
        members = g.permutation(np.flatnonzero(images.labels == label))
        kept.append(members[: max(LEAST, round(share * most))])
    index = np.sort(np.concatenate(kept))
    return Images(images.pixels[index], images.labels[index], images.classes)


def rows(found: list[Run]) -> list[dict[str, Any]]:
    """Benchmark rows of the finished jobs."""
    key = ("pair", "shift", "method", "recipe", "shares")
    bounds = {(r["pair"], r["shift"], r["seed"]): r["target_accuracy"] for r in found if r["method"] == METHODS[1][0]}
    made: list[dict[str, Any]] = []
    for cell in dict.fromkeys(tuple(run[name] for name in key) for run in found):
        runs = [run for run in found if tuple(run[name] for name in key) == cell]
        pair, shift, method, recipe, shares = cell
        name = f"shift/{pair}/{shift}/{method}{'-equal' if shares == 'equal' else ''}/{recipe}"
        gains = [run["target_accuracy"] - run["before/target_accuracy"] for run in runs]
        free = [run["adapted/target_accuracy"] - run["before/target_accuracy"] for run in runs]
        closed = []
        for run in runs:
            start, bound = run["before/target_accuracy"], bounds.get((pair, shift, run["seed"]))
            if bound is not None and bound - start >= WIDE_GAP:
                closed.append(100 * (run["target_accuracy"] - start) / (bound - start))
        made += [
            *adaptation.row(f"{name}/target_accuracy", (run["target_accuracy"] for run in runs), "%"),
            *adaptation.row(f"{name}/minus_start", gains, "points"),
            *adaptation.row(f"{name}/gap_closed", closed, "%"),
            *adaptation.row(f"{name}/unguarded_minus_start", free, "points"),
            *adaptation.row(f"{name}/rolled_back", (100 * run["rolled_back"] for run in runs), "%"),
        ]
    return made + tuned(found)


def tuned(found: list[Run]) -> list[dict[str, Any]]:
    """Rows of the choice that ``lbt tune`` would make among the methods, against the oracle's."""
    places: dict[tuple[str, ...], list[tuple[float, float]]] = {}
    keys = dict.fromkeys((run["pair"], run["shift"], run["recipe"], run["seed"]) for run in found)
    for pair, shift, recipe, seed in keys:
        asked = {"pair": pair, "shift": shift, "recipe": recipe, "seed": seed, "shares": "estimated"}
        runs = [run for run in found if all(run[k] == v for k, v in asked.items()) and "guard/expected_gain" in run]
        allowed = [run for run in runs if not run["rolled_back"]]
        if len(runs) < 2:
            continue
        best = max(run["target_accuracy"] for run in runs)
        start = runs[0]["before/target_accuracy"]
        ours = max(allowed, key=lambda run: run["guard/expected_gain"])["target_accuracy"] if allowed else start
        places.setdefault((pair, shift, recipe), []).append((ours - start, best - ours))
    made = []
    for (pair, shift, recipe), values in places.items():
        name = f"shift/{pair}/{shift}/tuned/{recipe}"
        made += adaptation.row(f"{name}/minus_start", (value for value, _ in values), "points")
        made += adaptation.row(f"{name}/regret", (value for _, value in values), "points")
    return made


if __name__ == "__main__":
    main()
