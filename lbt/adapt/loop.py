"""The training loop of every method: resume, step, record, evaluate, checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from lbt.adapt import checkpoint
from lbt.adapt.batches import Split
from lbt.adapt.evaluate import accuracy, predict
from lbt.adapt.method import Base
from lbt.progress import track

Row = dict[str, float | int | None]


def train(method: Base, validation: Split, scratch: Path | None, identity: dict[str, Any]) -> list[Row]:
    """Run all steps of ``method`` and return the curve, a row per evaluation.

    Args:
        method: what is trained.
        validation: labelled target images, for the curve only.
        scratch: a folder for checkpoints; a job that is killed goes on from there and ends with the same weights. The
            checkpoint is removed when the training is complete.
        identity: what the checkpoint must belong to (params, inputs); one of another job is ignored.
    """
    params, rows, first = method.params, [], 0
    saved = scratch / "checkpoint.safetensors" if scratch is not None else None
    if saved is not None and saved.is_file():
        state = checkpoint.load(saved)
        if state["identity"] == identity:
            first, rows = state["step"], state["rows"]
            restore(method, state)

    total = method.preparation + method.steps
    sums: dict[str, list[float]] = {}
    for step in track(range(first, total), params.method[0], total - first):
        for name, value in method.advance(step).items():
            sums.setdefault(name, []).append(value.detach().item() if isinstance(value, Tensor) else value)
        done = step + 1
        if done % params.evaluate_every == 0 or done == total:
            means = {name: sum(values) / len(values) for name, values in sums.items()}
            rows.append({"step": done, **means, **_accuracies(method, validation)})
            sums = {}
        # A checkpoint falls on an evaluation, where the running means start anew: nothing of the curve is lost.
        if saved is not None and not sums and done % params.checkpoint_every == 0 and done < total:
            checkpoint.save(saved, {"identity": identity, "step": done, "rows": rows, **snapshot(method)})
    if saved is not None:
        saved.unlink(missing_ok=True)
    return rows


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


def _accuracies(method: Base, validation: Split) -> Row:
    result: Row = {}
    for name, network in method.evaluated().items():
        with method.on(network, "target"):
            result[f"{name}_target_validation"] = accuracy(predict(network, validation), validation.labels)
    return result
