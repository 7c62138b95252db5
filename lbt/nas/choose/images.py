"""The two sets of images of a choice, as tables that the stages read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lbt.artifacts import read_images, renumber, sha256, write_images
from lbt.data.look import check_together, input_shape, look
from lbt.data.own import told
from lbt.errors import LbtError

if TYPE_CHECKING:
    from lbt.train.batches import Examples

PARTS = ("train", "validation", "test")
DOMAINS = ("source", "target")


@dataclass(frozen=True)
class Task:
    """Subject of a choice: its two sets of images.

    Attributes:
        tables: image tables by domain (``source``, ``target``) and part.
        classes: class names of the source.
        channels, size: of an input.
        notes: lines on what looks odd.
    """

    tables: Mapping[str, Mapping[str, Path]]
    classes: tuple[str, ...]
    channels: int
    size: int
    notes: tuple[str, ...] = ()

    def files(self, domain: str) -> dict[str, Path]:
        """The tables of ``source`` or ``target`` by part."""
        return dict(self.tables[domain])

    def examples(self, domain: str, part: str) -> Examples:
        """One table as a network's input."""
        from lbt.train.batches import read_examples

        return read_examples(self.files(domain)[part], self.channels, self.size, f"{domain}/{part}")

    @cached_property
    def identity(self) -> list[str]:
        """Digests of all tables."""
        return [sha256(path) for domain in DOMAINS for path in self.files(domain).values()]

    @classmethod
    def of(cls, source: Mapping[str, Path], target: Mapping[str, Path], channels: int, size: int) -> Task:
        """The task of tables that exist, with the classes of the source's.

        Args:
            source, target: tables by part (train, validation, test).
            channels, size: of an input.

        Raises:
            LbtError: a table cannot be read, or the source has a single class.
        """
        classes = read_images(source["train"]).classes
        if len(classes) < 2:
            raise LbtError(f"{source['train']}: one class, {', '.join(classes)}; accepted: two or more to tell apart")
        return cls({"source": source, "target": target}, classes, channels, size)


def prepare(source: Path, target: Path, folder: Path) -> Task:
    """Read both paths as `lbt look` does, check them, and write the tables.

    Raises:
        LbtError: a path that is not there or holds no images, a source without labels or of one class, or classes of
            the target that the source lacks.
    """
    seen = {"source": look(source), "target": look(target)}
    check_together(seen["source"], seen["target"])
    classes = seen["source"].classes
    if strange := [name for name in seen["target"].classes if name not in classes]:
        raise LbtError(f"{target}: classes that {source} does not have: {', '.join(strange[:5])}")
    if len(classes) < 2:
        raise LbtError(f"{source}: one class, {', '.join(classes)}; accepted: two or more to tell apart")
    for name, part in seen["source"].splits.items():
        if not (part.labels >= 0).any():
            raise LbtError(f"{source}: no label in its {name} split; accepted: three or more labelled images a class")
    channels, size = input_shape(seen["source"], seen["target"])
    tables = {domain: {part: folder / domain / f"{part}.parquet" for part in PARTS} for domain in DOMAINS}
    notes = tuple(line for one in seen.values() for line in told(one.splits.notes, one.splits.skipped))
    task = Task(tables, classes, channels, size, notes)
    for domain, one in seen.items():
        for name, images in one.splits.items():
            labels = renumber(images.labels, images.classes, classes) if images.classes else images.labels
            write_images(task.files(domain)[name], replace(images, labels=labels, classes=classes))
    return task
