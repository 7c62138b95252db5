"""Claim: online adaptation under int8, gradients included, keeps the error of float32 on corrupted streams.

    python benchmarks/edge.py --runs docs/results/edge_runs.jsonl --json docs/results/edge.json
    python benchmarks/edge.py --data FOLDER --model resnet20 --steps 4000 --runs cifar.jsonl    # images of your own
    python benchmarks/edge.py --quick    # one stream, three methods, one seed, few images: about a minute

A network learns the embedded MNIST digits (or the images in ``--data``, in any form that `lbt look` reads). It meets
its test images under five corruptions of severity 5 (noise, defocus, fog, contrast, JPEG) as three streams: continual,
mixed, correlated (Dirichlet 0.1), in batches of 64. Methods have their published hyperparameters, but CoTTA has 4 views
instead of 32. ``none`` and ``supervised`` (every label, after the answer) are the bounds.

Rows, mean over seeds: ``tta/STREAM/METHOD/RECIPE/error`` in percent; ``…/minus_fp32``, points against float32 of the
same seed, with the half width of its 95 % interval (Student's t) as ``interval``; ``…/forgetting`` in points of
accuracy on the source; ``…/x_kept_fp32`` and ``…/x_peak_fp32``, bytes as a share of float32's. Every run is appended to
``--runs`` at once, and a run that is there is not done again.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import _runs
from _runs import paired, row

from lbt.artifacts import write_images
from lbt.data import DomainSpec, load_domain, readers
from lbt.data.own import assemble
from lbt.edge import stage as edge
from lbt.edge.params import EdgeParams
from lbt.pretrain import stage as pretrain
from lbt.pretrain.params import PretrainJob

STREAMS = ("continual", "correlated", "mixed")
METHODS = ("none", "supervised", "tent", "lame", "norm", "roid", "rotta", "eata", "sar", "norm_prior", "mean_teacher")
SLOW = ("cotta",)
RECIPES = ("fp32", "int8")
SPLITS = ("train", "validation", "test")
KEPT = ("online_error", "forgetting", "memory/kept_bytes", "memory/peak_bytes", "milliseconds", "millijoules")
Row = dict[str, Any]


def main() -> None:
    """Run the jobs, print the rows, write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one stream, three methods, one seed, 100 images")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--data", type=Path, help="labelled images instead of the embedded digits")
    parser.add_argument("--model", default="digit_cnn")
    parser.add_argument("--steps", type=int, default=500, help="steps of pretraining")
    parser.add_argument("--augmentation", default="affine", help="of pretraining and of the methods' views")
    parser.add_argument("--images", type=int, help="test images that are used; default: all")
    parser.add_argument("--work", type=Path, help="keep data and pretrained networks in this folder")
    parser.add_argument("--runs", type=Path, help="JSON lines, one a finished job")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        made = rows(_runs.run(jobs(options, options.work or Path(temporary)), options.runs))
    for one in made:
        interval = f" ± {one['interval']:.2f}" if "interval" in one else ""
        print(f"{one['name']:<52} {one['value']:8.2f}{interval} {one['unit']:<7} n={one['n']} std={one['std']:.2f}")
    if options.json:
        _runs.write(options.json, made)


def jobs(options: argparse.Namespace, work: Path) -> list[_runs.Job]:
    """All jobs, most telling first: seed by seed, the methods that need many views last."""
    streams, methods, seeds, recipes = STREAMS, METHODS + SLOW, range(options.seeds), options.recipes
    if options.quick:
        streams, methods, seeds = STREAMS[:1], METHODS[:3], range(1)
    order = [(s, m) for slow, s in product((False, True), seeds) for m in methods if (m in SLOW) == slow]
    cells = [(s, m, t, r) for s, m in order for t in streams for r in recipes]
    return [(f"{t}/{m}/{r}", s, lambda cell=(t, m, r, s): run(options, work, *cell)) for s, m, t, r in cells]


def run(options: argparse.Namespace, work: Path, stream: str, method: str, recipe: str, seed: int) -> Row:
    """One job; its numbers."""
    files = data(options, work)
    model = work / f"{options.model}-{seed}.safetensors"
    augmentation = {"augmentation": options.augmentation}
    if not model.is_file():
        job = PretrainJob(model=options.model, steps=options.steps, seed=seed, **augmentation)
        outputs = pretrain.Outputs(model=model, curve=model.with_suffix(".parquet"))
        pretrain.run(job, pretrain.Inputs(**files), outputs)
    images = 100 if options.quick else options.images
    params = EdgeParams(images=images, cotta={"views": 4}, **augmentation).job(stream, method, recipe, seed)
    inputs = edge.Inputs(model=model, source=files["train"], source_test=files["test"], stream=files["test"])
    with tempfile.TemporaryDirectory() as folder:
        outputs = edge.Outputs(answers=Path(folder) / "answers.parquet", network=Path(folder) / "network.safetensors")
        metrics = edge.run(params, inputs, outputs)
    return {name: float(metrics[name]) for name in KEPT}


def data(options: argparse.Namespace, work: Path) -> dict[str, Path]:
    """The Parquet tables of the domain, made once."""
    paths = {split: work / f"{split}.parquet" for split in SPLITS}
    if not all(path.is_file() for path in paths.values()):
        if options.data is None:
            splits = load_domain(DomainSpec(kind="mnist"))
        else:
            splits = assemble(readers.read(options.data), DomainSpec(kind="arrays", path=options.data.name))
        for split, path in paths.items():
            write_images(path, getattr(splits, split))
    return paths


def rows(found: list[_runs.Result]) -> list[Row]:
    """Benchmark rows of the finished jobs."""
    known = {(one["job"], one["seed"]): one for one in found}
    made: list[Row] = []
    for job in sorted({one["job"] for one in found}):
        mine = [one for one in found if one["job"] == job]
        full = [known.get((f"{job.rpartition('/')[0]}/fp32", one["seed"])) for one in mine]
        pairs = [(one, other) for one, other in zip(mine, full, strict=True) if other is not None]
        made.append(row(f"tta/{job}/error", [one["online_error"] for one in mine], "%"))
        made.append(row(f"tta/{job}/forgetting", [one["forgetting"] for one in mine], "points"))
        if pairs and not job.endswith("/fp32"):
            made.append(paired(f"tta/{job}/minus_fp32", [o["online_error"] - f["online_error"] for o, f in pairs]))
            for part in ("kept", "peak"):
                share = [one[f"memory/{part}_bytes"] / other[f"memory/{part}_bytes"] for one, other in pairs]
                made.append(row(f"tta/{job}/x_{part}_fp32", share, "ratio"))
    return made


if __name__ == "__main__":
    main()
