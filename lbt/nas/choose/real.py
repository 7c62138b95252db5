"""The real thing: points are adapted to the target in float32 and in their formats, and tested if it has labels."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from lbt.adapt import stage
from lbt.adapt.params import AdaptJob
from lbt.artifacts import sha256
from lbt.nas.choose.answer import BITS, FP32, WITHOUT, Evidence, Run
from lbt.nas.choose.evidence import evidence
from lbt.nas.choose.points import Contender, Point
from lbt.nas.choose.setting import SEARCHED, Setting
from lbt.nas.choose.trial import model_file, trial
from lbt.report.tables import NOT_MEASURED

KEPT = ("target_accuracy", "rolled_back")


def first(setting: Setting, points: Sequence[Point]) -> tuple[list[Point], list[Run], dict[str, Evidence]]:
    """Adapt every point in its formats with the search's seed, and let the evidence order them.

    Args:
        setting: what is chosen for.
        points: the hand-made network last.

    Returns:
        The points, the answer first and the hand-made network last; their adaptations; evidence by point
        (:mod:`lbt.nas.choose.evidence`), empty for a single point.
    """
    method, seed = setting.options.method, setting.options.seed
    adapted = {point.name: adapt(setting, point.contender, method, BITS, seed) for point in points}
    target = setting.task.examples("target", "train")
    some = target.take(torch.arange(min(len(target), setting.options.images)))
    weights = {name: file for name, (_, file) in adapted.items()}
    found = evidence(weights, some) if len(points) > 1 else {}
    order = sorted(points[:-1], key=lambda point: (-found[point.name].mean, point.price.energy))
    return [*order, points[-1]], [run for run, _ in adapted.values()], found


def finals(setting: Setting, one: Contender, seed: int, known: Collection[tuple[str, str, str, int]] = ()) -> list[Run]:
    """The adaptations of a network with a seed, in both kinds of numbers, with and without the target.

    Args:
        setting: what is chosen for.
        one: the network.
        seed: of pretraining and adaptation.
        known: point, method, recipe and seed of adaptations that are left out.
    """
    return [
        adapt(setting, one, method, recipe, seed)[0]
        for method, recipe in kinds(setting.options.method)
        if (one.name, method, recipe, seed) not in known
    ]


def kinds(method: str) -> Iterator[tuple[str, str]]:
    """Methods and kinds of numbers of the final adaptations."""
    for recipe in (FP32, BITS):
        for one in (WITHOUT, method):
            yield one, recipe


def adapt(setting: Setting, one: Contender, method: str, recipe: str, seed: int) -> tuple[Run, Path]:
    """One adaptation, or what an earlier run or another job found, and the network that would be deployed."""
    job = setting.adapting(method, FP32 if recipe == FP32 else one.formats, seed)
    made = setting.found(one.text, job)
    if made is not None:
        weights, found = made.weights, made.metrics
    else:
        trial(setting, one.text, setting.options.steps, seed)
        training = setting.pretraining(one.text, setting.options.steps, seed)
        digest = job.recipe if job.recipe in (FP32, SEARCHED) else sha256(Path(job.recipe))
        of = {"adapting": job.model_dump(exclude={"recipe"}), "recipe": digest, "training": training.model_dump()}
        weights = setting.state.folder / f"adapted-{setting.state.name(of)}.safetensors"
        found = setting.state.kept("adapted", of, lambda: _run(setting, one.text, job, weights))
    run = Run(one.name, method, recipe, seed, found["target_accuracy"], bool(found["rolled_back"]))
    told = NOT_MEASURED if run.accuracy is None else f"{run.accuracy:.1f} % of the target"
    setting.say(f"  {run.point} {method} {recipe} seed {seed}: {told}")
    return run, weights


def _run(setting: Setting, text: str, job: AdaptJob, weights: Path) -> dict[str, Any]:
    model = model_file(setting, text, setting.options.steps, job.seed)
    domains = {domain: stage.SplitFiles(**setting.task.files(domain)) for domain in ("source", "target")}
    scratch = weights.with_suffix("")
    outputs = stage.Outputs(
        curve=weights.with_suffix(".parquet"), student=scratch / "student.safetensors", teacher=weights, scratch=scratch
    )
    found = stage.run(job, stage.Inputs(model=model, **domains), outputs)
    return {key: found.get(key) for key in KEPT}
