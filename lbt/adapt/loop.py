"""The training loop of every method: resume, step, record, evaluate, checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from lbt.adapt.explained import look, points
from lbt.adapt.method import Base
from lbt.distributed import wait, world
from lbt.progress import track
from lbt.train import checkpoints
from lbt.train.batches import Examples
from lbt.train.evaluation import accuracy, class_entropy, predict

Row = dict[str, float | int | None]


@dataclass
class TrainingLog:
    """Log of a training.

    Attributes:
        curve: a row per evaluation. ``step``; ``student_target_validation`` (and ``teacher_…``), accuracy in percent,
            None without labels; ``student_class_entropy`` (and ``teacher_…``), the entropy of the classes that are
            predicted on these images as a share of the largest possible: 1 when all are predicted equally often, 0 when
            it is always the same.
            Means over the steps since the row before: losses by the names that the method gives them,
            ``class_balance`` (a loss), ``mask_rate`` (share of the target images whose prediction is confident).
        explained: rows of :func:`lbt.adapt.explained.look`.
    """

    curve: list[Row] = field(default_factory=list)
    explained: list[dict[str, Any]] = field(default_factory=list)


def train(method: Base, validation: Examples, scratch: Path | None, identity: dict[str, str]) -> TrainingLog:
    """Run all steps of ``method``.

    Args:
        method: the method to train.
        validation: target images, for the curve only.
        scratch: a folder for checkpoints; a job that is killed goes on from there and ends with the same weights. The
            checkpoint is removed when the training is complete.
        identity: params and inputs of the job; a checkpoint of another job is ignored.
    """
    params = method.params
    saved = scratch / "checkpoint.safetensors" if scratch is not None else None
    found = checkpoints.resume(saved, identity, lambda: snapshot(method), lambda state: restore(method, state))
    first, log = (found["step"], TrainingLog(found["curve"], found["explained"])) if found else (0, TrainingLog())
    wait()  # every process has read the checkpoint, or none found it
    first_process = world().rank == 0
    total = method.preparation + method.steps
    looks = points(total)
    sums: dict[str, list[float]] = {}
    for step in track(range(first, total), params.method, total - first):
        for name, value in method.advance(step).items():
            sums.setdefault(name, []).append(value.detach().item() if isinstance(value, Tensor) else value)
        done = step + 1
        if done % params.evaluate_every == 0 or done == total:
            means = {name: sum(values) / len(values) for name, values in sums.items()}
            log.curve.append({"step": done, **means, **_evaluate(method, validation)})
            sums = {}
        if done in looks:
            log.explained += look(method, done)
        # A checkpoint falls on an evaluation, where the running means start anew: nothing of the curve is lost.
        if saved is not None and not sums and done % params.checkpoint_every == 0 and done < total:
            seen = {"curve": log.curve, "explained": log.explained}
            if first_process:
                checkpoints.save(saved, {"identity": identity, "step": done, **seen, "job": snapshot(method)})
    if saved is not None and first_process:
        saved.unlink(missing_ok=True)
    return log


def snapshot(method: Base) -> dict[str, Any]:
    """Everything that changes during training: weights, statistics, optimizer state, the method's own state."""
    return {
        "networks": {name: network.state_dict() for name, network in method.networks.items()},
        "optimizers": {name: one.state_dict() for name, one in method.optimizers.items()},
        "extra": method.extra_state(),
    }


def restore(method: Base, state: dict[str, Any]) -> None:
    """Put a :func:`snapshot` back."""
    for name, network in method.networks.items():
        network.load_state_dict(state["networks"][name])
    for name, one in method.optimizers.items():
        one.load_state_dict(state["optimizers"][name])
    method.load_extra_state(state["extra"])


def _evaluate(method: Base, validation: Examples) -> Row:
    result: Row = {}
    for name, network in method.evaluated().items():
        with method.on(network, "target"):
            probabilities = predict(network, validation)
        result[f"{name}_target_validation"] = accuracy(probabilities, validation.labels)
        result[f"{name}_class_entropy"] = class_entropy(probabilities)
    return result
