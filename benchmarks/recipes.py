"""Accuracy of every recipe against FP32, and what each ingredient buys, on two embedded tasks.

    python benchmarks/recipes.py [--quick] [--json FILE] [--seeds N] [--runs FILE.jsonl] [--part I/K]

``digits``: the 5,000 embedded MNIST digits, 3,000 for training and 1,500 for the test. ``blended`` (harder, so that
bits matter): the same digits blended with patches of photos (MNIST-M style, colour). In both the last 500 are for
validation, on which the learning rate was chosen: for FP32 alone, once, and all recipes get it. One network (four
convolutions, 35 k parameters), 500 steps of 32, one-cycle SGD. Seeds are paired: a recipe and FP32 start from the same
weights and see the same batches. The five headline recipes get six seeds at least.

Rows: ``TASK/RECIPE/accuracy`` and ``TASK/RECIPE/minus_fp32`` in points, mean and standard deviation over seeds; the
ablations are ``blended/ablation/…``. Every run is appended to ``--runs`` at once, and a run that is there is not done
again unless its recipe changed; ``--part 0/2`` and ``--part 1/2`` share the work between two processes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _runs
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lbt.data.load import load_domain
from lbt.data.params import DomainSpec
from lbt.nn import optimizer, quantize, set_progress, set_step
from lbt.nn.norms import NORMS
from lbt.progress import track
from lbt.recipe import Recipe
from lbt.train.schedule import phased

TASKS = {"digits": "mnist", "blended": "mnistm"}
TRAIN, TEST, BATCH = 3000, 1500, 32
RATE = 0.1
"""Peak of the one-cycle rate: of 0.1, 0.2 and 0.3 the best for FP32 on both tasks' validation images together."""
Job = tuple[str, str, Recipe]
"""Task, label, recipe."""
HEADLINE = ("fp32", "int8", "int4", "thesis", "mls-e2m1")
TELLING = ("norm/", "bits/", "scale/pow2-int4", "rounding/E", "clip-E/cosine", "granularity/W", "granularity/E")
"""Ablations that are run first."""
STOCHASTIC = {"rounding": "stochastic"}
WIDE = {"W": "int8", "A": "int8", "E": {"format": "int8", **STOCHASTIC}}


class Task:
    """Images (N, C, 32, 32) in [-1, 1] and labels, in three parts that do not depend on the seed."""

    def __init__(self, kind: str) -> None:
        splits = load_domain(DomainSpec(kind=kind))
        parts = (splits.train, splits.validation, splits.test)
        pixels = torch.from_numpy(np.concatenate([p.pixels for p in parts])).permute(0, 3, 1, 2)
        labels = torch.from_numpy(np.concatenate([p.labels for p in parts]))
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
        images = (pixels[order].float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        cuts = [TRAIN, TEST, len(order) - TRAIN - TEST]
        self.train, self.test, self.validation = zip(images.split(cuts), labels[order].split(cuts), strict=True)


def network(seed: int, channels: int) -> nn.Module:
    """Four convolutions with batch norm, 16 … 64 wide, global average, a linear layer; 35 k parameters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((channels, 16, 2), (16, 32, 2), (32, 32, 1), (32, 64, 2)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def accuracy(recipe: Recipe, task: Task, seed: int, steps: int, rate: float = RATE, part: str = "test") -> float:
    """Accuracy in percent on ``part`` after ``steps`` steps of SGD with a one-cycle learning rate."""
    x, y = task.train
    model = quantize(network(seed, x.shape[1]), recipe, seed=seed)
    update = optimizer(model, lr=rate, weight_decay=1e-4)
    begins = recipe.final.begins(steps) if recipe.final else steps
    schedule = torch.optim.lr_scheduler.OneCycleLR(update, rate, total_steps=begins, cycle_momentum=False)
    draw = torch.Generator().manual_seed(seed)
    for step in range(steps):
        set_step(model, step)
        set_progress(model, step, steps)
        batch = torch.randint(0, len(x), (BATCH,), generator=draw)
        update.zero_grad()
        functional.cross_entropy(model(x[batch]), y[batch]).backward()
        update.step()
        if step + 1 < begins:
            schedule.step()
        else:
            for group in update.param_groups:
                group["lr"] = rate * phased(step + 1, steps, 0.3, recipe.final)
    model.eval()
    images, labels = getattr(task, part)
    with torch.inference_mode():
        hits = [model(a).argmax(1) == b for a, b in zip(images.split(500), labels.split(500), strict=True)]
    return 100 * torch.cat(hits).float().mean().item()


def uniform(bits: int, suffix: str = "", **changed: Any) -> Recipe:
    """W, A and E in ``bits`` bits with one float scale a tensor; first and last layer and G in 8 bits."""
    form = f"int{bits}{suffix}"
    base: dict[str, Any] = {"W": form, "A": form, "E": {"format": form, **STOCHASTIC},
                            "G": {"format": f"int8{suffix}", **STOCHASTIC}, "first": WIDE, "last": WIDE}  # fmt: skip
    return Recipe.model_validate({**base, **changed})


def ablations() -> dict[str, Recipe]:
    """One ingredient changed at a time: around ``uniform(4)``, where it shows; the norms around ``uniform(8)``."""
    w: dict[str, Any] = {"format": "int4"}
    e: dict[str, Any] = {**w, **STOCHASTIC}
    blocks = {"granularity": "block(16)"}
    named = {f"bits/{bits}": uniform(bits) for bits in (8, 6, 4, 3, 2)}
    named |= {f"scale/pow2-int{bits}": uniform(bits, "-pow2") for bits in (8, 4)}
    named |= {
        "rounding/E-nearest": uniform(4, E=w),
        "rounding/G-int4-stochastic": uniform(4, G=e),
        "rounding/G-int4-nearest": uniform(4, G=w),
    }
    for rounding in ("stochastic", "nearest"):
        state = {"format": "int8-pow2", "rounding": rounding}
        named[f"rounding/U-int8-{rounding}"] = uniform(4, U=state, update={"master": "integer", "bits": 8})
    rules: dict[str, dict[str, Any]] = {
        "sigma-4": {"rule": "sigma", "k": 4},
        "mse": {"rule": "mse", "sample": 65536},
        "cosine": {"rule": "cosine", "sample": 65536},
    }
    named |= {f"clip-E/{name}": uniform(4, E={**e, "range": rule}) for name, rule in rules.items()}
    named |= {f"clip-A/{name}": uniform(4, A={**w, "range": rules[name]}) for name in ("sigma-4", "mse")}
    named |= {
        "granularity/W-channel": uniform(4, W={**w, "granularity": "channel"}),
        "granularity/A-sample": uniform(4, A={**w, "granularity": "sample"}),
        "granularity/E-sample": uniform(4, E={**e, "granularity": "sample"}),
        "granularity/block-16": uniform(4, W={**w, **blocks}, A={**w, **blocks}, E={**e, **blocks}),
        "zero-point/A": uniform(4, A="uint4"),
        "copy/EG-int8": uniform(4, EG={"format": "int8", **STOCHASTIC}),
    }
    return named | {f"norm/{norm}": uniform(8, norm=norm) for norm in NORMS.names()}


class Runs:
    """The runs, one JSON line each; a run is known by task, label, seed, steps and the recipe's content."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.found = path, dict[tuple[Any, ...], float]()
        for row in _runs.lines(path) if path is not None else ():
            self.found[row["task"], row["label"], row["seed"], row["steps"], row["recipe"]] = row["accuracy"]

    @staticmethod
    def key(job: Job, seed: int, steps: int) -> tuple[Any, ...]:
        """The identity of a run."""
        content = job[2].model_dump_json(exclude={"name", "source"}, exclude_defaults=True)
        return (*job[:2], seed, steps, hashlib.sha256(content.encode()).hexdigest()[:12])

    def accuracy(self, job: Job, data: Task | None, seed: int, steps: int) -> float:
        """From the file, or run now and written there."""
        key = self.key(job, seed, steps)
        if key not in self.found:
            assert data is not None
            start = time.perf_counter()
            self.found[key] = accuracy(job[2], data, seed, steps)
            row = dict(zip(("task", "label", "seed", "steps", "recipe"), key, strict=True))
            row |= {"accuracy": self.found[key], "seconds": round(time.perf_counter() - start, 1)}
            if self.path is not None:
                _runs.append(self.path, row)
        return self.found[key]


def plan(jobs: list[Job], seeds: int) -> list[tuple[int, Job]]:
    """(seed, job), what tells most first, so that a run that is broken off leaves something whole."""

    def rank(job: Job) -> int:
        task, label, _ = job
        if label in HEADLINE:
            return 0
        if label.startswith("ablation/"):
            return 2 if label.removeprefix("ablation/").startswith(TELLING) else 4
        return 1 if task == "blended" else 3

    ordered = [(rank(job), seed, job) for job in jobs for seed in range(seeds)]
    if seeds > 1:
        ordered += [(5, seed, job) for job in jobs if job[1] in HEADLINE for seed in range(seeds, 6)]
    return [(seed, job) for _, seed, job in sorted(ordered, key=lambda entry: entry[:2])]


def rows_of(label: str, found: dict[int, float], reference: dict[int, float]) -> Iterator[dict[str, Any]]:
    """The two rows of one recipe; accuracies in percent by seed."""
    minus = [value - reference[seed] for seed, value in found.items() if seed in reference]
    for name, values in (("accuracy", list(found.values())), ("minus_fp32", minus)):
        std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        yield {"name": f"{label}/{name}", "value": round(float(np.mean(values)), 3),
               "unit": "%" if name == "accuracy" else "points", "n": len(values), "std": round(std, 3)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, the digits, recipes only, 120 steps")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, help="append every run to this JSON-lines file, and resume from it")
    parser.add_argument("--part", default="0/1", help="I/K: only every K-th run, from the I-th; with --runs")
    parser.add_argument("--only", default="", help="only labels that contain this text")
    parser.add_argument("--report", action="store_true", help="run nothing: only tell what is in --runs")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    index, parts = (int(text) for text in options.part.split("/"))
    shipped = {name: Recipe.load(name) for name in Recipe.names()}
    steps = 120 if options.quick else 500
    jobs = [("digits", label, recipe) for label, recipe in shipped.items()]
    if not options.quick:
        changed = {f"ablation/{label}": recipe for label, recipe in ablations().items()}
        jobs += [("blended", label, recipe) for label, recipe in (shipped | changed).items()]
    jobs = [job for job in jobs if options.only in job[1] or job[1] == "fp32"]
    runs, found = Runs(options.runs), dict[tuple[str, str], dict[int, float]]()
    mine = plan(jobs, 1 if options.quick else options.seeds)[index::parts]
    if options.report:
        mine = [(seed, job) for seed, job in mine if runs.key(job, seed, steps) in runs.found]
    tasks = {} if options.report else {name: Task(TASKS[name]) for name in dict.fromkeys(job[0] for job in jobs)}
    for seed, job in track(mine, desc="runs", total=len(mine)):
        found.setdefault(job[:2], {})[seed] = runs.accuracy(job, tasks.get(job[0]), seed, steps)
    if parts > 1:
        return  # the rows need all parts: run once more without --part
    rows: list[dict[str, Any]] = []
    for (task, label), values in sorted(found.items(), key=lambda item: "/ablation/" in "/".join(item[0])):
        first, second = rows_of(f"{task}/{label}", values, found[task, "fp32"])
        rows += [first, second]
        name = f"{task}/{label}"
        print(f"{name:<44}{first['value']:7.2f} %  {second['value']:+6.2f} ± {second['std']:.2f} (n {second['n']})")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
