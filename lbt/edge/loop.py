"""The loop of every online method: a batch arrives, is predicted, changes the network, and is forgotten."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lbt.edge.online import Base
from lbt.edge.stream import Stream
from lbt.errors import warn
from lbt.progress import track
from lbt.train import checkpoints


@dataclass
class Seen:
    """What was answered, in the order of the stream.

    Attributes:
        predicted: (T,) int64 classes, a part for each batch.
        confidence: (T,) float32 probabilities of these.
    """

    predicted: list[Tensor] = field(default_factory=list)
    confidence: list[Tensor] = field(default_factory=list)


def go(method: Base, stream: Stream, scratch: Path | None, identity: dict[str, Any]) -> Seen:
    """Run ``method`` over ``stream``.

    Args:
        method: a method that has seen nothing yet.
        stream: the batches.
        scratch: a folder for checkpoints; a job that is killed goes on from there and ends with the same bytes. The
            checkpoint is removed at the end.
        identity: params and inputs of the job; a checkpoint of another job is ignored.
    """
    params = method.device.params
    saved = scratch / "checkpoint.safetensors" if scratch is not None else None
    first, seen = resume(method, saved, identity) if saved is not None and saved.is_file() else (0, Seen())
    for step in track(range(first, len(stream)), params.method, len(stream) - first):
        batch = stream.batch(step)
        labels = batch.labels if method.needs_labels else torch.full_like(batch.labels, -1)
        method.begin(params.source_steps + step)
        confidence, predicted = method.adapt(batch.images, labels, step).max(1)
        seen.predicted.append(predicted)
        seen.confidence.append(confidence)
        done = step + 1
        if saved is not None and done % params.checkpoint_every == 0 and done < len(stream):
            answers = {"predicted": torch.cat(seen.predicted), "confidence": torch.cat(seen.confidence)}
            checkpoints.save(saved, {"identity": identity, "step": done, **answers, "method": method.state()})
    if saved is not None:
        saved.unlink(missing_ok=True)
    return seen


def resume(method: Base, saved: Path, identity: dict[str, Any]) -> tuple[int, Seen]:
    """Put the checkpoint ``saved`` back into ``method``; return the number of batches it has seen, and the answers.

    A checkpoint of another job gives 0. So does one that cannot be used, with a warning.
    """
    fresh = copy.deepcopy(method.state())
    try:
        state = checkpoints.load(saved)
        if state["identity"] != identity:
            return 0, Seen()
        method.load(state["method"])
        return state["step"], Seen([state["predicted"]], [state["confidence"]])
    except Exception as error:  # whatever a damaged file, or one of other code, makes of it
        method.load(fresh)
        warn(f"{saved}: checkpoint ignored, the job starts from the beginning: {type(error).__name__}: {error}")
        return 0, Seen()


def accuracy_of(method: Base, images: Tensor, labels: Tensor, batch: int) -> float | None:
    """Accuracy in percent without adapting, in batches as they would arrive; None without a label."""
    known = labels >= 0
    if not known.any():
        return None
    counts = method.inferred
    parts = [method.predict(part).argmax(1) for part in images.split(batch) if len(part) >= method.smallest]
    method.inferred = counts  # an evaluation is no work of the device's
    predicted = torch.cat(parts)
    known = known[: len(predicted)]
    return 100.0 * (predicted == labels[: len(predicted)])[known].double().mean().item()
