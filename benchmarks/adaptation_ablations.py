"""Ablations of low-bit adaptation: one ingredient at a time, three seeds, one figure each.

    python benchmarks/adaptation_ablations.py --work .lbt/benchmarks/ablations --images docs/images --json a.json

A mean teacher adapts from optdigits to mnist for 200 steps; accuracy on mnist's test split. Scale, rounding and
clipping are compared where errors and gradients have 4 bits, so that a difference can show; batch norms and statistics
in int8.

``noise`` trains nothing: from the pretrained network it takes the gradient of one batch in the recipe's numbers and in
float32, and gives the length of their difference as a share of the float32 gradient's; of plain training (cross-entropy
on the source) and of adaptation (agreement with the teacher and class balance on the target).

It goes on in the same ``--work`` folder, whose data and networks are those of ``benchmarks/adaptation.py``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from adaptation import domain, network, row

from lbt.adapt import stage as adapt
from lbt.adapt.method import Task
from lbt.adapt.methods.mean_teacher import Method
from lbt.artifacts import read_json, write_json
from lbt.errors import LbtError
from lbt.models import read_model
from lbt.nn import set_step
from lbt.params import Params, load_params
from lbt.recipe import Recipe
from lbt.report import figures
from lbt.train.batches import read_examples
from lbt.train.threads import fixed_threads

PAIR, STEPS, SEEDS, BATCHES = "optdigits-mnist", 200, (2, 3, 4), 6


def four(scale: str = "", **role: Any) -> dict[str, Any]:
    """Weights and activations in 8 bits, errors and gradients in 4; ``role`` changes how the latter are written."""
    backward = {"format": f"int4{scale}", "rounding": "stochastic", **role}
    return {"W": f"int8{scale}", "A": f"int8{scale}", "E": backward, "G": backward}


def eight(scale: str = "", **others: Any) -> dict[str, Any]:
    """Everything in 8 bits, as in the recipe ``int8``; ``others`` are further keys of the recipe."""
    backward = {"format": f"int8{scale}", "rounding": "stochastic"}
    return {"W": f"int8{scale}", "A": f"int8{scale}", "E": backward, "G": backward, **others}


SIGMA = {"rule": "sigma", "k": 3}
NORMS = ("float_bn", "affine_grad_bn", "running_bn", "seldom_bn")
ABLATIONS: dict[str, dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "scale": {"float": (four(), {}), "power of two": (four("-pow2"), {})},
    "rounding": {"stochastic": (four(), {}), "nearest": (four(rounding="nearest"), {})},
    "clipping": {
        "none": (four(), {}),
        "at 3σ": (four(range=SIGMA), {}),
        "of the norm": ({**four(), "update": {"clip_norm": 1.0}}, {}),
    },
    "norm": {
        f"{name.removesuffix('_bn').replace('_', ' ')}\nlr {lr:g}": (eight(norm=name), {"lr": lr})
        for name in NORMS
        for lr in (0.02, 0.002)
    },
    "statistics": {name: (eight(), {"statistics": name}) for name in ("separate", "domain", "network", "shared")},
}
"""Topic → variant → (recipe, other params of the job)."""
NOISY = {
    "int8": eight(),
    "nearest": {**eight(), "E": "int8", "G": "int8"},
    "power of two": eight("-pow2"),
    "E per sample": eight() | {"E": {"format": "int8", "rounding": "stochastic", "granularity": "sample"}},
    "4-bit E, G": four(),
    "4-bit, at 3σ": four(range=SIGMA),
    "4-bit, per sample": four() | {"E": {"format": "int4", "rounding": "stochastic", "granularity": "sample"}},
}


def main() -> None:
    """Run, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="keep data, networks and finished runs in this folder")
    parser.add_argument("--params", type=Path, default=Path("params/digits.yaml"))
    parser.add_argument("--images", type=Path, help="draw the figures into this folder")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--quick", action="store_true", help="the first seed only")
    parser.add_argument("--only", nargs="*", default=[*ABLATIONS, "noise"])
    options = parser.parse_args()
    params = load_params(options.params)
    seeds = SEEDS[:1] if options.quick else SEEDS
    made: list[dict[str, Any]] = []
    if "noise" in options.only:
        made += noise(params, seeds, options.work, options.images)
    found: dict[tuple[str, str], list[float]] = {}
    for seed in seeds:  # all topics with one seed, then the next: a run that is stopped has something of each
        for topic in (name for name in options.only if name in ABLATIONS):
            for variant, (recipe, others) in ABLATIONS[topic].items():
                found.setdefault((topic, variant), []).append(accuracy(params, recipe, others, seed, options.work))
    for (topic, variant), values in found.items():
        made += row(f"ablation/{topic}/{variant.replace(chr(10), ', ')}/target_accuracy", values, "%")
    if options.images:
        draw(found, options.images)
    for one in made:
        print(f"{one['name']:<60} {one['value']:8.2f} {one['unit']:<7} n={one['n']} std={one['std']:.2f}")
    if options.json:
        options.json.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")


def accuracy(params: Params, recipe: dict[str, Any], others: dict[str, Any], seed: int, work: Path) -> float:
    """Target accuracy in percent of one run; a finished one is read back. One that diverged is 0."""
    text = json.dumps(recipe, sort_keys=True)
    changed = {"steps": STEPS, "evaluate_every": STEPS, **others}
    name = hashlib.sha256(json.dumps([recipe, changed], sort_keys=True).encode()).hexdigest()[:16]
    done = work / "ablations" / name / str(seed) / "metrics.json"
    if not done.is_file():
        print(name, seed, text, file=sys.stderr, flush=True)
        path = done.parent / "recipe.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")  # JSON is YAML
        job = params.adapt.job(PAIR, "mean_teacher", str(path), seed).model_copy(update=changed)
        outputs = adapt.Outputs(curve=path.with_name("curve.parquet"), student=path.with_name("student.safetensors"))
        try:
            write_json(done, adapt.run(job, inputs(params, work), outputs))
        except LbtError as error:  # an error that is not finite stops a job
            print(error, file=sys.stderr)
            write_json(done, {"target_accuracy": 0.0, "error": str(error)})
    return float(read_json(done)["target_accuracy"])


def inputs(params: Params, work: Path) -> adapt.Inputs:
    """The pretrained network and the data of the pair."""
    source, target = (domain(params, name, work) for name in PAIR.split("-"))
    return adapt.Inputs(model=network(params, PAIR, work), source=source, target=target)


@fixed_threads()
def noise(params: Params, seeds: tuple[int, ...], work: Path, images: Path | None) -> list[dict[str, Any]]:
    """Rows and the figure of the gradient's noise."""
    given = inputs(params, work)
    model, architecture = read_model(given.model)
    size = (architecture.channels, architecture.size)
    source = read_examples(given.source.train, *size, "source/train")
    target = read_examples(given.target.train, *size, "target/train")
    values: dict[tuple[str, str], list[float]] = {}
    for seed in seeds:
        job = params.adapt.job(PAIR, "mean_teacher", "fp32", seed)
        exact = list(gradients(Method(Task(job, Recipe(name="fp32"), model, source, target))))
        for name, recipe in NOISY.items():
            method = Method(Task(job, Recipe.model_validate(recipe), model, source, target))
            for (kind, mine), (_, theirs) in zip(gradients(method), exact, strict=True):
                values.setdefault((kind, name), []).append(100 * float((mine - theirs).norm() / theirs.norm()))
    if images:
        figure, (axis,) = figures.new(7.5, 3.4)
        for index, kind in enumerate(dict.fromkeys(kind for kind, _ in values)):
            means, spreads = zip(*(spread(values[kind, name]) for name in NOISY), strict=True)
            places = [place + 0.38 * index - 0.19 for place in range(len(NOISY))]
            axis.bar(places, means, 0.36, yerr=spreads, capsize=3, label=kind, color=figures.colour(index))
        axis.set_xticks(range(len(NOISY)), list(NOISY), rotation=20, ha="right")
        axis.set_ylabel("gradient error, % of the gradient")
        axis.legend()
        figures.save(figure, images, "adaptation-noise")
    return [
        one
        for (kind, name), found in values.items()
        for one in row(f"ablation/noise/{name}/{kind}/gradient_error", found, "%")
    ]


def gradients(method: Method) -> Iterator[tuple[str, torch.Tensor]]:
    """The gradients, flattened, of plain training and of adaptation for each of the first batches."""
    for step in range(BATCHES):
        for one in method.networks.values():
            set_step(one, step)
        images, labels = method.source(step)
        plain = F.cross_entropy(method.forward(method.student, images, "source"), labels)
        with_source, shown = method.losses(step)
        for kind, loss in (("plain training", plain), ("adaptation", with_source - shown["source_loss"])):
            method.student.zero_grad()
            loss.backward(retain_graph=True)
            yield kind, torch.cat([p.grad.flatten().clone() for p in method.student.parameters() if p.grad is not None])


def draw(found: dict[tuple[str, str], list[float]], folder: Path) -> None:
    """One figure per topic: mean and standard deviation over seeds, and each run as a dot."""
    for topic in dict.fromkeys(topic for topic, _ in found):
        runs = {variant: values for (of, variant), values in found.items() if of == topic}
        means, spreads = zip(*map(spread, runs.values()), strict=True)
        figure, (axis,) = figures.new(1.5 + 1.1 * len(runs), 2.8)
        axis.errorbar(range(len(runs)), means, spreads, fmt="o", capsize=5, color=figures.colour(0))
        for place, values in enumerate(runs.values()):
            axis.plot([place + 0.12] * len(values), values, ".", color=figures.colour(2))
        axis.set_xlim(-0.5, len(runs) - 0.5)
        axis.set_xticks(range(len(runs)), list(runs))
        axis.set_ylabel("target accuracy, %")
        axis.set_title(topic)
        figures.save(figure, folder, f"adaptation-{topic}")


def spread(values: list[float]) -> tuple[float, float]:
    """Mean and sample standard deviation."""
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


if __name__ == "__main__":
    main()
