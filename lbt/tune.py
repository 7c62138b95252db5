"""``lbt tune``: choose a method and its options without a label of the target, by the guard's evidence.

Every candidate (a method of the grid, with each combination of the options that are tried) is run for every seed of the
params. Of those that the guard never refused (:mod:`lbt.adapt.guard`) the one with the largest expected gain is chosen.
Where test images have labels, the choice is compared with the *oracle's*, which sees them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from lbt.adapt import stage
from lbt.adapt.params import METHODS, AdaptJob
from lbt.artifacts import read_json, sha256, write_json
from lbt.config import parse
from lbt.errors import LbtError, told, unknown
from lbt.pipeline.job import METRICS
from lbt.pipeline.plan import Plan
from lbt.pipeline.stages.data import splits
from lbt.pipeline.stages.pretrain import OUTPUTS as PRETRAINED
from lbt.progress import track
from lbt.report.tables import NOT_MEASURED, Stat, markdown, shown

Metrics = Mapping[str, Any]
GAIN, REFUSED, ACCURACY = "guard/expected_gain", "rolled_back", "target_accuracy"


@dataclass(frozen=True)
class Setting:
    """A candidate: the method, and the options that are tried, by dotted key."""

    method: str
    options: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return " ".join([self.method, *(f"{key}={value}" for key, value in self.options)])


@dataclass(frozen=True)
class Score:
    """The evidence on a setting over the seeds.

    Attributes:
        gain: expected gain in percent of the images, without a label; None where a seed has none.
        refused: seeds in which the guard refused the network.
        accuracy: of the network that is deployed, in percent; None without labels.
    """

    setting: Setting
    gain: Stat | None
    refused: int
    accuracy: Stat | None

    @classmethod
    def of(cls, setting: Setting, found: Sequence[Metrics]) -> Score:
        """From the metrics of each seed's job."""
        gains, right = [[one.get(name) for one in found] for name in (GAIN, ACCURACY)]
        refused = sum(one[REFUSED] for one in found)
        return cls(setting, _stat(gains), refused, _stat(right))


def tune(plan: Plan, pair: str, recipe: str, tried: Mapping[str, Sequence[Any]]) -> list[Score]:
    """Run what is not there yet of every candidate; the score of each.

    Args:
        plan: the run whose data and pretrained networks are used; its methods and seeds are the candidates'.
        pair: source and target, in the grid.
        recipe: number formats of all candidates.
        tried: see :func:`settings`.

    Raises:
        LbtError: the pair is not in the grid, an option is unknown, or the run has no data or networks yet.
    """
    params = plan.params.adapt
    if pair not in params.pair:
        raise unknown("pair", pair, params.pair, where="--pair")
    candidates = settings(params.method, tried)
    grid = [[job(params.job(pair, s.method, recipe, seed), s, "--set") for seed in params.seed] for s in candidates]
    domains = {role: f"data/{name}" for role, name in zip(("source", "target"), pair.split("-"), strict=True)}
    scores = []
    for setting, jobs in track(list(zip(candidates, grid, strict=True)), "tune", len(candidates)):
        found = []
        for one in jobs:
            start = f"pretrain/{plan.params.pretrain.start_name(pair, one.seed)}"
            needs = {role: plan.made(plan.jobs[key], "lbt tune") for role, key in {"model": start, **domains}.items()}
            found.append(kept(Path(".lbt/tune") / plan.run, one, needs))
        scores.append(Score.of(setting, found))
    return scores


def _stat(values: Sequence[float | None]) -> Stat | None:
    known = [value for value in values if value is not None]
    return Stat.of(known) if len(known) == len(values) else None


def settings(methods: Sequence[str], tried: Mapping[str, Sequence[Any]]) -> list[Setting]:
    """The candidates: each of ``methods`` that can be judged, with each combination of ``tried`` that concerns it.

    Args:
        methods: names of methods; those that have labels, or do not look at the target, cannot be judged.
        tried: values by dotted key below ``adapt``; a key of a method's section concerns the methods that read it.

    Raises:
        LbtError: fewer than two candidates.
    """
    judged = [name for name in methods if METHODS.load(name).Method.guarded()]
    found = []
    for method in judged:
        keys = [key for key in tried if "." not in key or key.partition(".")[0] in _sections(method)]
        found += [
            Setting(method, tuple(zip(keys, values, strict=True))) for values in product(*(tried[k] for k in keys))
        ]
    if len(found) < 2:
        named = ", ".join(map(str, found)) or "none"
        raise LbtError(
            f"lbt tune: {len(found)} candidate{'s' if len(found) != 1 else ''} ({named}) of adapt.method "
            f"{told(list(methods))}; accepted: at least two that adapt to the target without labels, or several values "
            "by --set"
        )
    return found


def _sections(method: str) -> set[str]:
    """The sections of params that a method reads: its file, or that of a method it derives from, names their type."""
    kinds = METHODS.load(method).Method.__mro__
    named = [value for kind in kinds if kind is not object for value in vars(sys.modules[kind.__module__]).values()]
    return {name for name, field in AdaptJob.model_fields.items() if field.annotation in named}


def job(base: AdaptJob, setting: Setting, where: str) -> AdaptJob:
    """``base`` with the setting's method and options.

    Raises:
        LbtError: no such option, or a value that is not accepted; the message begins with ``where``.
    """
    values = {**base.model_dump(), "method": setting.method}
    for key, value in setting.options:
        *path, last = key.split(".")
        section: Any = values
        for name in path:
            section = section.get(name)
            if not isinstance(section, dict):
                raise unknown("option", key, _keys(base.model_dump()), where=where)
        if last not in section:
            raise unknown("option", key, _keys(base.model_dump()), where=where)
        section[last] = value
    return parse(AdaptJob, values, where)


def _keys(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield from _keys(value, f"{before}{name}.") if isinstance(value, dict) and value else [before + name]


def kept(folder: Path, one: AdaptJob, needs: Mapping[str, Path]) -> Metrics:
    """The metrics of ``one``, run now unless ``folder`` has them: what was finished is not done again.

    Args:
        folder: holds a folder for each job, named after what it depends on.
        one: the job.
        needs: the folders of the pretrained network (``model``) and of the domains ``source`` and ``target``.
    """
    domains = {role: splits(needs[role]) for role in ("source", "target")}
    model = needs["model"] / PRETRAINED["model"]
    files = [model, *(path for found in domains.values() for path in found.values())]
    identity = [one.model_dump_json(), *map(sha256, files)]
    own = folder / hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    if not (own / METRICS).is_file():
        inputs = stage.Inputs(model=model, **{role: stage.SplitFiles(**found) for role, found in domains.items()})
        outputs = stage.Outputs(
            curve=own / "curve.parquet", student=own / "student.safetensors", scratch=own / "scratch"
        )
        found = stage.run(one, inputs, outputs)
        write_json(own / METRICS, {name: found.get(name) for name in (GAIN, REFUSED, ACCURACY)})
    return read_json(own / METRICS)


def chosen(scores: Sequence[Score]) -> Score | None:
    """The setting with the largest expected gain that was refused for no seed; None where there is none."""
    allowed = [score for score in scores if not score.refused and score.gain is not None]
    return max(allowed, key=lambda score: score.gain.mean if score.gain else 0.0, default=None)


def told_choice(scores: Sequence[Score], seeds: int) -> str:
    """The table of the candidates, the choice, and the oracle's where there are labels."""
    best = chosen(scores)
    body = [
        ["→" if score is best else "", str(score.setting), shown(score.gain), f"{score.refused} of {seeds}",
         shown(score.accuracy)]
        for score in scores
    ]  # fmt: skip
    table = markdown(["", "setting", "expected gain, %", "refused", "target accuracy, %"], body)
    lines = [
        table,
        f"chosen without a label: {best.setting if best else 'none: the guard refused them all, keep the start'}",
    ]
    measured = [score for score in scores if score.accuracy is not None]
    if best and len(measured) == len(scores):
        oracle = max(measured, key=lambda score: score.accuracy.mean if score.accuracy else 0.0)
        regret = oracle.accuracy.mean - best.accuracy.mean if oracle.accuracy and best.accuracy else 0.0
        lines.append(f"the oracle, which sees the test labels: {oracle.setting}; the choice costs {regret:.1f} points")
    else:
        lines.append(f"the oracle's choice: {NOT_MEASURED}")
    return "\n".join(lines)
