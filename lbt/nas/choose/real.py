"""The real thing: points are adapted to the target in float32 and in their formats, and tested if it has labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lbt.adapt import stage
from lbt.adapt.params import AdaptJob
from lbt.artifacts import sha256
from lbt.nas.choose.committee import agreement, predictions
from lbt.nas.choose.points import Point
from lbt.nas.choose.setting import Setting
from lbt.nas.choose.trial import model_file, trial
from lbt.report.tables import NOT_MEASURED

KEPT = ("target_accuracy", "source_accuracy", "rolled_back", "before/target_accuracy", "agreement", "mean_entropy",
        "guard/expected_gain")  # fmt: skip
FP32, BITS = "fp32", "bits"


@dataclass(frozen=True)
class Run:
    """One adaptation.

    Attributes:
        point: name of the point.
        method: of adaptation.
        recipe: ``fp32``, or ``bits`` for the point's formats.
        seed: of pretraining and adaptation.
        accuracy: on the target's test images, in percent; None without labels.
        rolled_back: true if the guard refused the adapted network.
        weights: file of the network that would be deployed.
    """

    point: str
    method: str
    recipe: str
    seed: int
    accuracy: float | None
    rolled_back: bool
    weights: Path


@dataclass(frozen=True)
class Outcome:
    """Everything that adaptation says.

    Attributes:
        points: the answer first, then the others by evidence; the hand-made network last.
        runs: adaptations.
        evidence: agreement with the committee in percent, by point (:mod:`lbt.nas.choose.committee`).
    """

    points: list[Point]
    runs: list[Run]
    evidence: dict[str, float]


def real(setting: Setting, points: Sequence[Point]) -> Outcome:
    """Adapt every point in its formats, choose by the committee, and compare the answer with the hand-made network.

    Those two are adapted for every seed in both kinds of numbers, every other point once.
    """
    method, seed = setting.options.method, setting.options.seed
    runs = [_told(setting, adapt(setting, point, method, BITS, seed)) for point in points]
    target = setting.task.examples("target", "train")
    some = target.take(torch.arange(min(len(target), setting.options.images)))
    evidence = agreement({run.point: predictions(run.weights, some) for run in runs}) if len(points) > 1 else {}
    order = sorted(points[:-1], key=lambda point: (-evidence[point.name], point.price.energy))
    ordered = [*order, points[-1]]
    for point, one, recipe, other in grid(setting, ordered):
        if (one, recipe, other) != (method, BITS, seed):
            runs.append(_told(setting, adapt(setting, point, one, recipe, other)))
    return Outcome(ordered, runs, evidence)


def grid(setting: Setting, points: Sequence[Point]) -> Iterator[tuple[Point, str, str, int]]:
    """Point, method, recipe and seed of each run of the answer and the hand-made network, the first seed first."""
    for seed in range(setting.options.seed, setting.options.seed + setting.seeds):
        for point in dict.fromkeys((0, len(points) - 1)):
            for recipe in (FP32, BITS):
                for method in ("source_only", setting.options.method):
                    yield points[point], method, recipe, seed


def _told(setting: Setting, run: Run) -> Run:
    told = NOT_MEASURED if run.accuracy is None else f"{run.accuracy:.1f} % of the target"
    setting.say(f"  {run.point} {run.method} {run.recipe} seed {run.seed}: {told}")
    return run


def adapt(setting: Setting, point: Point, method: str, recipe: str, seed: int) -> Run:
    """One adaptation, or what an earlier run found."""
    options = setting.options
    trial(setting, point.trial.text, options.steps, seed)
    formats = FP32 if recipe == FP32 else str(point.files[1])
    job = AdaptJob(
        pair="source-target", method=method, recipe=formats, seed=seed, steps=options.adapt_steps, batch=options.batch,
        source_steps=options.source_steps, pair_augmentation={}, evaluate_every=max(50, options.adapt_steps // 4),
    )  # type: ignore[call-arg]  # fmt: skip
    digest = formats if recipe == FP32 else sha256(point.files[1])
    of = {**job.model_dump(exclude={"recipe"}), "recipe": digest, "network": point.trial.text, "steps1": options.steps}
    weights = setting.state.folder / f"adapted-{setting.state.name(of)}.safetensors"
    found = setting.state.kept("adapted", of, lambda: _run(setting, point, job, weights))
    return Run(point.name, method, recipe, seed, found["target_accuracy"], bool(found["rolled_back"]), weights)


def _run(setting: Setting, point: Point, job: AdaptJob, weights: Path) -> dict[str, Any]:
    model = model_file(setting, point.trial.text, setting.options.steps, job.seed)
    domains = {domain: stage.SplitFiles(**setting.task.files(domain)) for domain in ("source", "target")}
    scratch = weights.with_suffix("")
    outputs = stage.Outputs(
        curve=weights.with_suffix(".parquet"), student=scratch / "student.safetensors", teacher=weights, scratch=scratch
    )
    found = stage.run(job, stage.Inputs(model=model, **domains), outputs)
    return {key: found.get(key) for key in KEPT}
