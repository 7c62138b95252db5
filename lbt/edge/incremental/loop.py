"""The loop of incremental learning: tasks arrive, each batch is predicted and then learnt, and every task is tested."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lbt.edge.incremental.learner import Learner
from lbt.edge.incremental.tasks import Tasks
from lbt.progress import track
from lbt.train import checkpoints

TEST_BATCH = 256


@dataclass
class Record:
    """Course of the learning.

    Attributes:
        matrix: row i is the accuracy in percent on tasks 0 to i after task i.
        right, seen: by task, answers that were right before their batch was learnt, and answers.
    """

    matrix: list[list[float]] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)

    def online(self) -> float:
        """Accuracy over the stream, each image answered once before it was learnt, in percent."""
        return 100.0 * sum(self.right) / sum(self.seen)


def learn(learner: Learner, tasks: Tasks, scratch: Path | None, identity: dict[str, str]) -> Record:
    """Run ``learner`` over ``tasks``.

    Args:
        learner: a prepared method that has seen nothing yet.
        tasks: the stream.
        scratch: a folder for the checkpoint; a run that is killed goes on from there and ends with the same bytes. The
            checkpoint is removed at the end.
        identity: of the job; a checkpoint of another one is ignored.
    """
    params = learner.device.params
    saved = scratch / "checkpoint.safetensors" if scratch is not None else None
    found = checkpoints.resume(saved, identity, learner.state, learner.load)
    first, record = (found["step"], Record(**found["record"])) if found else (0, Record())
    for step in track(range(first, len(tasks)), params.method, len(tasks) - first):
        number, place, count = tasks.place(step)
        if place == 0:
            learner.begin_task(number)
            record.right.append(0)
            record.seen.append(0)
        images, labels = tasks.batch(step)
        learner.begin(params.source_steps + step)
        answers = learner.adapt(images, labels, step).argmax(1)
        record.right[-1] += int((answers == labels).sum())
        record.seen[-1] += len(labels)
        done = step + 1
        if place + 1 == count:
            record.matrix.append([accuracy_of(learner, tasks.tasks[n].test) for n in range(number + 1)])
        if saved is not None and done % params.checkpoint_every == 0 and done < len(tasks):
            state: dict[str, Any] = {"identity": identity, "step": done, "record": vars(record)}
            checkpoints.save(saved, {**state, "job": learner.state()})
    if saved is not None:
        saved.unlink(missing_ok=True)
    return record


def accuracy_of(learner: Learner, test: Any) -> float:
    """Accuracy in percent without learning; no work of the device's."""
    counts, drawn = (
        learner.inferred,
        torch.cat([learner.predict(part).argmax(1) for part in test.images.split(TEST_BATCH)]),
    )
    learner.inferred = counts
    return 100.0 * (drawn == test.labels).double().mean().item()
