"""The real thing: points are adapted to the target in float32 and in their formats, and tested if it has labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lbt.adapt import stage
from lbt.adapt.params import AdaptJob
from lbt.artifacts import sha256
from lbt.nas.choose.points import Point
from lbt.nas.choose.setting import Setting
from lbt.nas.choose.trial import model_file, trial

KEPT = ("target_accuracy", "source_accuracy", "rolled_back", "before/target_accuracy", "agreement", "mean_entropy",
        "guard/expected_gain")  # fmt: skip
FP32 = "fp32"


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
    """

    point: str
    method: str
    recipe: str
    seed: int
    accuracy: float | None
    rolled_back: bool


def real(setting: Setting, points: Sequence[Point]) -> list[Run]:
    """Adapt the points.

    The answer (the first of ``points``) and the hand-made network (the last) are adapted for every seed in both kinds
    of numbers, every other point once in its formats.
    """
    runs = []
    for point, method, recipe, seed in grid(setting, points):
        runs.append(adapt(setting, point, method, recipe, seed))
        told = "not measured" if runs[-1].accuracy is None else f"{runs[-1].accuracy:.1f} % of the target"
        setting.say(f"  {point.name} {method} {recipe} seed {seed}: {told}")
    return runs


def grid(setting: Setting, points: Sequence[Point]) -> Iterator[tuple[Point, str, str, int]]:
    """Point, method, recipe and seed of each run, those of the first seed first."""
    method, first = setting.options.method, setting.options.seed
    ends = [points[0], points[-1]] if len(points) > 1 else [points[0]]
    for seed in range(first, first + setting.seeds):
        for point in ends:
            for recipe in (FP32, "bits"):
                for one in dict.fromkeys(("source_only", method)):
                    yield point, one, recipe, seed
        if seed == first:
            yield from ((point, method, "bits", first) for point in points[1:-1])


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
    found = setting.state.kept("adapt", of, lambda: _run(setting, point, job, setting.state.name(of)))
    return Run(point.name, method, recipe, seed, found["target_accuracy"], bool(found["rolled_back"]))


def _run(setting: Setting, point: Point, job: AdaptJob, name: str) -> dict[str, Any]:
    model = model_file(setting, point.trial.text, setting.options.steps, job.seed)
    domains = {domain: stage.SplitFiles(**setting.task.files(domain)) for domain in ("source", "target")}
    folder = setting.state.folder / f"adapt-{name}"
    outputs = stage.Outputs(
        curve=folder / "curve.parquet", student=folder / "student.safetensors", scratch=folder / "scratch"
    )
    found = stage.run(job, stage.Inputs(model=model, **domains), outputs)
    return {key: found.get(key) for key in KEPT}
