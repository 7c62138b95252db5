"""``lbt look PATH``: what lbt understands of a path, without a params file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lbt.artifacts import Images
from lbt.data import readers
from lbt.data.listing import Listing, count
from lbt.data.own import assemble, told
from lbt.data.params import DomainSpec
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
        listing: what was found.
        splits: the images, decoded and split.
    """

    kind: str
    listing: Listing
    splits: Splits

    @property
    def whole(self) -> Images:
        """All images, without the split."""
        parts = [images for _, images in self.splits.items()]
        pixels, labels = (np.concatenate([getattr(part, name) for part in parts]) for name in ("pixels", "labels"))
        return Images(pixels, labels, parts[0].classes)


def look(path: Path) -> Seen:
    """Read everything at ``path``, however much of it has to be skipped.

    Raises:
        LbtError: nothing is there, or its content is wrong.
    """
    listing = readers.read(path)
    kind = "folder" if path.is_dir() and listing.format.startswith("folder of images") else "arrays"
    return Seen(kind, listing, assemble(listing, DomainSpec(kind=kind, path="inputs/x", max_skipped=1)))


def check_together(source: Seen, target: Seen) -> None:
    """Refuse two paths of which nothing can be learnt.

    Raises:
        LbtError: no source image has a label, or the target has classes that the source lacks.
    """
    known, asked = source.whole.classes, target.whole.classes
    if not (source.splits.train.labels >= 0).any():
        raise LbtError(f"{source.listing.where}: no image has a label, but the network learns from the source's")
    if strange := [name for name in asked if name not in known]:
        raise LbtError(
            f"{target.listing.where}: classes that {source.listing.where} does not have: {', '.join(strange[:5])}"
        )


def input_shape(source: Seen, target: Seen) -> tuple[int, int]:
    """Channels of an input, 3 if either has colour, and its size, that of the source's images from 32 to 64."""
    images = source.whole.pixels
    colour = 3 in (images.shape[3], target.whole.pixels.shape[3])
    return 3 if colour else 1, min(64, max(32, -(-images.shape[1] // 8) * 8))


def describe(seen: Seen) -> Iterator[str]:
    """Lines for a person: format, classes, split, size, what is odd, and the line of a params file."""
    images = seen.whole
    _, height, width, channels = images.pixels.shape
    yield f"{seen.listing.where}: {seen.listing.format}, {count(len(images), 'image')}"
    yield f"  size     {width}×{height}, {'grey' if channels == 1 else 'colour'}"
    yield f"  classes  {_classes(images)}"
    unlabelled = int((images.labels < 0).sum())
    if unlabelled:
        yield f"  labels   {count(len(images) - unlabelled, 'image')} with, {unlabelled:,} without"
    origin = "lbt's" if seen.listing.splits is None else "the data's own"
    parts = ", ".join(f"{name} {len(part):,}" for name, part in seen.splits.items())
    yield f"  split    {parts} ({origin})"
    for line in told(seen.splits.notes, seen.splits.skipped):
        yield f"  note     {line.removeprefix(f'{seen.listing.where}: ')}"
    yield f"  params   {{kind: {seen.kind}, path: {seen.listing.where}}}"


def _classes(images: Images) -> str:
    counts = np.bincount(images.labels[images.labels >= 0], minlength=len(images.classes))
    if not counts.any():
        return f"none is labelled{': ' + ', '.join(images.classes) if images.classes else ''}"
    named = [f"{name} {n:,}" for name, n in zip(images.classes, counts.tolist(), strict=True)]
    more = f", and {len(named) - MOST_CLASSES} more" if len(named) > MOST_CLASSES else ""
    return f"{len(named)}: {', '.join(named[:MOST_CLASSES])}{more}"


def save_sheet(seen: Seen, path: Path) -> None:
    """A contact sheet of all images, a class a row, as a PNG."""
    write_sheet(path, seen.whole)
