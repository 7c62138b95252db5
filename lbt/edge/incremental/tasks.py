"""Tasks: groups of classes of one domain, and domains, in the order in which they arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lbt.artifacts import Images, renumber
from lbt.data import DomainSpec, load_domain
from lbt.data.domains import DOMAINS
from lbt.data.images import convert
from lbt.data.inputs import to_input
from lbt.data.own import assemble
from lbt.data.splits import Splits
from lbt.edge.own import read_listing, spec_of
from lbt.errors import LbtError, unknown
from lbt.train.batches import Examples, generator

_ON_DISK = ("folder", "arrays")


@dataclass(frozen=True)
class Task:
    """Labelled images that arrive together.

    Attributes:
        name: of the domain, and of its classes where it is divided.
        train: images to learn, uint8, with labels among all classes.
        test: images to be tested on.
    """

    name: str
    train: Images
    test: Examples


class Tasks:
    """The stream: batches by their number over all tasks, a pure function of the seed.

    Args:
        tasks: in their order.
        batch: images that arrive together; the last batch of a task may be smaller.
        seed: of the order within a task.
    """

    def __init__(self, tasks: Sequence[Task], batch: int, seed: int) -> None:
        self.tasks, self.size, self.seed = list(tasks), batch, seed
        self.counts = [-(-len(task.train) // batch) for task in tasks]

    def __len__(self) -> int:
        """Number of batches."""
        return sum(self.counts)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes, in the order of the logits."""
        return self.tasks[0].train.classes

    def place(self, step: int) -> tuple[int, int, int]:
        """Task of the batch ``step``, its number in the task, and the number of the task's batches."""
        for task, count in enumerate(self.counts):
            if step < count:
                return task, step, count
            step -= count
        raise IndexError("step beyond the last task")

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) and labels (B,) of the batch ``step``."""
        number, place, _ = self.place(step)
        task = self.tasks[number]
        order = torch.randperm(len(task.train), generator=generator(self.seed, "arrival", number)).numpy()
        chosen = task.train.take(order[place * self.size : (place + 1) * self.size])
        return to_input(chosen.pixels), torch.from_numpy(chosen.labels)


def read_domain(name: str, layout: str | None = None, pattern: str | None = None) -> Splits:
    """The labelled images of an embedded domain, or of a file or folder that `lbt look` reads, split.

    Args:
        name: of the domain, or path.
        layout, pattern: of the user's folders and file names, see :func:`lbt.edge.own.read_listing`.

    Raises:
        LbtError: there is no such domain or path, it is unreadable, or its test split has no label.
    """
    embedded = [one for one in DOMAINS.names() if one not in _ON_DISK]
    if name in embedded:
        splits = load_domain(DomainSpec(kind=name), name)
    elif Path(name).exists():
        splits = assemble(read_listing(Path(name), layout, pattern), spec_of(Path(name)))
    else:
        raise unknown("domain, or file or folder", name, embedded)
    splits = splits.map(lambda _part, images: images.take(np.flatnonzero(images.labels >= 0)))
    for part, images in (("training", splits.train), ("test", splits.test)):
        if not len(images):
            raise LbtError(f"{name}: no {part} image has a label")
    return splits


def read_tasks(
    domains: Sequence[str],
    channels: int,
    size: int,
    per_task: int | None = None,
    most: int | None = None,
    layout: str | None = None,
    pattern: str | None = None,
) -> list[Task]:
    """The tasks of ``domains``, one after another.

    Args:
        domains: names of embedded domains, or paths; their classes are put together by name.
        channels: of a network's input.
        size: its height and width.
        per_task: classes that arrive together, in their order. None: all of a domain.
        most: training images of a task. None: all.
        layout, pattern: of the user's folders and file names.

    Raises:
        LbtError: see :func:`read_domain`; or fewer than two tasks.
    """
    read = {
        name: read_domain(name, layout, pattern).map(lambda _, images: convert(images, channels, size))
        for name in domains
    }
    classes = tuple(dict.fromkeys(one for splits in read.values() for one in splits.train.classes))
    tasks = []
    for name in domains:
        own = read[name].train.classes
        groups = [own] if per_task is None else [own[at : at + per_task] for at in range(0, len(own), per_task)]
        tasks += [_task(name, read[name], group, classes, len(groups) > 1, most) for group in groups]
    if len(tasks) < 2:
        told = f"{len(classes)} classes of {', '.join(domains)}"
        raise LbtError(f"tasks: found 1 ({told}); accepted: 2 or more; give more domains, or fewer classes a task")
    return tasks


def _task(
    domain: str, splits: Splits, group: Sequence[str], classes: tuple[str, ...], divided: bool, most: int | None
) -> Task:
    name = f"{domain}/{','.join(group)}" if divided else domain
    parts = []
    for part, images in (("training", splits.train), ("test", splits.test)):
        chosen = images.take(np.flatnonzero(np.isin(images.labels, [images.classes.index(one) for one in group])))
        if not len(chosen):
            raise LbtError(f"{name}: no {part} image")
        parts.append(Images(chosen.pixels, renumber(chosen.labels, images.classes, classes), classes))
    train, test = parts[0].take(slice(most)), parts[1]
    return Task(name, train, Examples(to_input(test.pixels), torch.from_numpy(test.labels), classes, name))
