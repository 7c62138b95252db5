"""The loop of every online method: a batch arrives, is predicted, changes the network, and is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from lbt.edge.online import Base
from lbt.edge.stream import Stream
from lbt.progress import track
from lbt.train import checkpoints
from lbt.train.evaluation import accuracy


@dataclass
class Answers:
    """Answers of a method, in the order of the stream.

    Attributes:
        predicted: (T,) int64 classes, a part for each batch.
        confidence: (T,) float32 probabilities of these.
    """

    predicted: list[Tensor] = field(default_factory=list)
    confidence: list[Tensor] = field(default_factory=list)


def go(method: Base, stream: Stream, scratch: Path | None, identity: dict[str, str]) -> Answers:
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
    found = checkpoints.resume(saved, identity, method.state, method.load)
    first, seen = (found["step"], Answers([found["predicted"]], [found["confidence"]])) if found else (0, Answers())
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
            checkpoints.save(saved, {"identity": identity, "step": done, **answers, "job": method.state()})
    if saved is not None:
        saved.unlink(missing_ok=True)
    return seen


def accuracy_of(method: Base, images: Tensor, labels: Tensor, batch: int) -> float | None:
    """Accuracy in percent without adapting, in batches as they would arrive; None without a label."""
    if not (labels >= 0).any():
        return None
    counts = method.inferred
    parts = [method.predict(part) for part in images.split(batch) if len(part) >= method.smallest]
    method.inferred = counts  # an evaluation is no work of the device's
    predicted = torch.cat(parts)
    return accuracy(predicted, labels[: len(predicted)])
