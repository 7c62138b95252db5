"""Claim: with a memory of 32 kB a network learns new classes and domains in int8 as it does in float32.

    python benchmarks/incremental.py --runs docs/results/incremental_runs.jsonl --json docs/results/incremental.json
    python benchmarks/incremental.py --quick    # one seed, two methods, the classes: about a minute

Two streams of embedded digits at 16 × 16, `digit_cnn`, each image seen once and learnt in four updates: ``classes``,
MNIST in five tasks of two classes and 300 images, on features that were pretrained on synthetic digits (whose
classifier is dropped); ``domains``, MNIST, optdigits and synthetic digits, 600 images each, pretrained on the first.
Defaults were chosen on seed 100, which is none of the seeds here. Rows, mean over seeds:

- ``incremental/STREAM/METHOD/RECIPE/accuracy`` in percent over all tasks after the last one, ``…/forgetting`` and
  ``…/backward_transfer`` in points, ``…/online_accuracy`` in percent, of answers before their batch was learnt;
- ``…/bytes``: what the method keeps for itself; ``…/kept``: with network, masters, gradients and optimizer;
- ``incremental/STREAM/METHOD/int8/minus_fp32``, paired points, with the half width of the 95 % interval; and
  ``incremental/STREAM/latent_replay/RECIPE/minus_float32_latents``, 8-bit latents against as many in float32."""

from __future__ import annotations

import functools
import json
from itertools import product
from pathlib import Path
from typing import Any

import _runs
from _runs import paired, row

from lbt.edge.incremental import run as incremental
from lbt.edge.incremental.options import Job
from lbt.edge.incremental.tasks import Task, read_tasks

SIZE = 16
WORK = Path(".lbt/benchmarks/incremental")
"""Networks: each seed's pretrained one serves all methods and recipes."""
STREAMS: dict[str, dict[str, Any]] = {
    "classes": {"domains": ["mnist"], "classes_per_task": 2, "features": "synth", "images": 300},
    "domains": {"domains": ["mnist", "optdigits", "synth"], "classes_per_task": None, "features": None, "images": 600},
}
BUDGET = {"budget": "32kB"}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "finetune": ("finetune", {}),
    "replay": ("replay", BUDGET),
    "latent_replay": ("latent_replay", BUDGET),
    "joint": ("joint", {}),
    "replay, reservoir": ("replay", {**BUDGET, "policy": "reservoir"}),
    "latent_replay, float32": ("latent_replay", {"budget": "122kB", "bits": 32}),
    "ewc": ("ewc", {}),
    "lwf": ("lwf", {}),
}
"""Method and its options. 122 kB hold as many float32 latents as 32 kB hold 8-bit ones."""
RECIPES = ("fp32", "int8")
UNITS = {"accuracy": "%", "forgetting": "points", "backward_transfer": "points", "online_accuracy": "%"}
Row = dict[str, Any]


def jobs(quick: bool, seeds: int) -> list[_runs.Job]:
    """All jobs, seed by seed."""
    streams, methods = (list(STREAMS)[:1], list(METHODS)[:2]) if quick else (list(STREAMS), list(METHODS))
    cells = product(range(1 if quick else seeds), streams, methods, RECIPES)
    return [(f"{s}/{m}/{r}", seed, functools.partial(run, s, m, r, seed)) for seed, s, m, r in cells]


def run(stream: str, method: str, recipe: str, seed: int) -> Row:
    """Scores of one method; the accuracy matrix too."""
    name, given = METHODS[method]
    knobs = {key: value for key, value in STREAMS[stream].items() if key in Job.model_fields}
    job = Job(
        **knobs,
        channels=1,
        size=SIZE,
        method=name,
        recipe=recipe,
        seed=seed,
        options=incremental.options_of(name, given),
    )
    place = WORK / stream / f"{method}-{recipe}-{seed}".replace(", ", "-")
    place.parent.mkdir(parents=True, exist_ok=True)
    known = {"stream": json.dumps(STREAMS[stream]), "job": job.model_dump_json()}
    found = incremental.one(job, tasks(stream), place, known, known["stream"])
    return {key: found[key] for key in (*UNITS, "matrix", "method_bytes", "kept_bytes", "examples")}


@functools.cache
def tasks(stream: str) -> list[Task]:
    """The tasks of a stream."""
    setting = STREAMS[stream]
    return read_tasks(setting["domains"], 1, SIZE, setting["classes_per_task"], setting["images"])


def rows(found: list[_runs.Result]) -> list[Row]:
    """Benchmark rows of the finished jobs."""
    known = {(one["job"], one["seed"]): one for one in found}
    made: list[Row] = []
    for job in sorted({one["job"] for one in found}):
        mine = sorted((one for one in found if one["job"] == job), key=lambda one: one["seed"])
        name = f"incremental/{job}"
        made += [row(f"{name}/{key}", [one[key] for one in mine], unit) for key, unit in UNITS.items()]
        made += [row(f"{name}/{key}", [one[f"{part}_bytes"] for one in mine], "bytes")
                 for key, part in (("bytes", "method"), ("kept", "kept"))]  # fmt: skip
        stream, method, recipe = job.split("/")
        if recipe != "fp32":
            made += _against(f"{name}/minus_fp32", mine, f"{stream}/{method}/fp32", known)
        if method == "latent_replay":
            other = f"{stream}/latent_replay, float32/{recipe}"
            made += _against(f"{name}/minus_float32_latents", mine, other, known)
    return made


def _against(name: str, mine: list[_runs.Result], other: str, known: dict[tuple[str, int], Row]) -> list[Row]:
    """Paired difference of the accuracy to another job, on the seeds that both have; none without one."""
    pairs = [(one, known[other, one["seed"]]) for one in mine if (other, one["seed"]) in known]
    return [paired(name, [a["accuracy"] - b["accuracy"] for a, b in pairs])] if pairs else []


if __name__ == "__main__":
    _runs.command(__doc__, "the classes, one seed, two methods", jobs, rows)
