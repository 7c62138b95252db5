"""``lbt look PATH``: what lbt understands of a path, without a params file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lbt import mapped
from lbt.artifacts import Images
from lbt.config import parse
from lbt.data import readers
from lbt.data.images import convert
from lbt.data.keyed import AXES
from lbt.data.listing import Listing, count
from lbt.data.own import assemble, told, too_many_skipped
from lbt.data.params import DomainSpec
from lbt.data.peek import class_lines
from lbt.data.readers import tree
from lbt.data.sheet import write_sheet
from lbt.data.splits import Splits
from lbt.errors import LbtError

MOST_CLASSES = 20
"""Classes that are told one by one."""


@dataclass(frozen=True)
class Seen:
    """A path as lbt reads it.

    Attributes:
        kind: the domain's kind that a params file needs for it.
        options: the other keys of the domain that were asked for.
        listing: what was found.
        splits: the images, decoded and split.
        refusal: the error that a run of these params would stop with; empty if none.
    """

    kind: str
    options: Mapping[str, Any]
    listing: Listing
    splits: Splits
    refusal: str

    @property
    def labels(self) -> np.ndarray:
        """Class numbers of all images, -1 for none."""
        return np.concatenate([images.labels for _, images in self.splits.items()])

    @property
    def classes(self) -> tuple[str, ...]:
        return self.splits.train.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        _, height, width, channels = self.splits.train.pixels.shape
        return height, width, channels

    def notes(self) -> list[str]:
        """Lines on what is odd or was skipped, and what a run would refuse."""
        lines = told(self.splits.notes, self.splits.skipped)
        return [*lines, f"a run refuses it: {self.refusal}"] if self.refusal else lines


def look(path: Path, options: Mapping[str, Any] | None = None) -> Seen:
    """Read everything at ``path``, however much of it has to be skipped.

    Args:
        path: a folder or file.
        options: keys of a domain in the params (:class:`lbt.data.params.DomainSpec`), such as ``layout``.

    Raises:
        LbtError: nothing is there, its content is wrong, or an option is.
    """
    given = {name: value for name, value in (options or {}).items() if value is not None}
    if (useless := {"layout", "name"} & set(given)) and path.is_file():
        raise LbtError(f"{min(useless)}: is for a folder of image files, and {path} is a file; arrays are {AXES}")
    asked = {"kind": "folder" if {"layout", "name"} & set(given) else "arrays", "path": "inputs/x", **given}
    spec = parse(DomainSpec, asked, "options")
    listing = tree.read(path, spec.layout, spec.name) if spec.kind == "folder" else readers.read(path)
    kind = "folder" if path.is_dir() and listing.format.startswith("folder of images") else "arrays"
    splits = assemble(listing, spec.model_copy(update={"max_skipped": 1.0}))
    taken = sum(len(images) for _, images in splits.items())
    refusal = too_many_skipped(splits.skipped, taken, spec.max_skipped, str(path))
    splits = splits.map(lambda _, images: convert(images, spec.channels, spec.size))
    return Seen(kind, given, listing, splits, refusal)


def check_together(source: Seen, target: Seen) -> list[str]:
    """Lines on classes that one of two paths lacks.

    Raises:
        LbtError: nothing can be learnt of them: no source image has a label, or no class is in common.
    """
    known, asked = source.classes, target.classes
    if not (source.splits.train.labels >= 0).any():
        raise LbtError(
            f"{source.listing.where}: no image has a label, but the network learns from the source's; are they in the "
            "files' names (key name, such as {label}_{index}) or in a CSV beside the images (columns file, label)?"
        )
    lines = class_lines(source.listing.where, known, target.listing.where, asked)
    if asked and not set(asked) & set(known):
        raise LbtError(f"{lines[0]}: none is in common")
    return lines


def input_shape(source: Seen, target: Seen) -> tuple[int, int]:
    """Channels of an input, 3 if either has colour, and its size, that of the source's images from 32 to 64."""
    colour = 3 in (source.shape[2], target.shape[2])
    return 3 if colour else 1, min(64, max(32, -(-source.shape[0] // 8) * 8))


def describe(seen: Seen) -> Iterator[str]:
    """Lines for a person: format, classes, split, size, what is odd, and the line of a params file."""
    height, width, channels = seen.shape
    labels, where = seen.labels, seen.listing.where
    yield f"{where}: {seen.listing.format}, {count(len(labels), 'image')}"
    yield f"  size     {width}×{height}, {'grey' if channels == 1 else 'colour'}"
    yield f"  classes  {_classes(labels, seen.classes)}"
    unlabelled = int((labels < 0).sum())
    if unlabelled:
        yield f"  labels   {count(len(labels) - unlabelled, 'image')} with, {unlabelled:,} without"
    for name in ("user", "time"):
        if found := _of_column(seen.splits, name):
            yield f"  {name}s    {found}"
    parts = ", ".join(f"{name} {len(part):,}" for name, part in seen.splits.items())
    yield f"  split    {parts} ({seen.splits.origin})"
    for line in seen.notes():
        yield f"  note     {line.removeprefix(f'{where}: ')}"
    keys = {"kind": seen.kind, "path": where, **seen.options}
    yield f"  params   {{{', '.join(f'{name}: {_yaml(value)}' for name, value in keys.items())}}}"


def _classes(labels: np.ndarray, classes: tuple[str, ...]) -> str:
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    if not counts.any():
        return f"none is labelled{': ' + ', '.join(classes) if classes else ''}"
    named = [f"{name} {n:,}" for name, n in zip(classes, counts.tolist(), strict=True)]
    more = f", and {len(named) - MOST_CLASSES} more" if len(named) > MOST_CLASSES else ""
    return f"{len(named)}: {', '.join(named[:MOST_CLASSES])}{more}"


def _of_column(splits: Splits, name: str) -> str:
    """How many different values a column has, and the images without one; empty where the data lack it."""
    cells = [cell for _, images in splits.items() for cell in images.columns.get(name, ())]
    known = {cell for cell in cells if cell is not None}
    missing = sum(cell is None for cell in cells)
    without = f"; {count(missing, 'image')} without" if missing else ""
    return f"{len(known):,}{without}" if known else ""


def _yaml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    text = str(value)
    return f'"{text}"' if any(c in text for c in "{}[],:#&*!|>'\"%@`") else text


def save_sheet(seen: Seen, path: Path) -> None:
    """A contact sheet of all images, a class a row, as a PNG."""
    pixels = mapped.joined([images.pixels for _, images in seen.splits.items()])
    write_sheet(path, Images(pixels, seen.labels, seen.classes))
