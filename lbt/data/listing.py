"""A list of the images at a path: labels, splits and names are read, pixels are not decoded yet. Light: no NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lbt.errors import LbtError, told

if TYPE_CHECKING:
    import numpy as np

SPLIT_NAMES = {"train": "train", "training": "train", "validation": "validation", "valid": "validation",
               "val": "validation", "dev": "validation", "test": "test", "testing": "test"}  # fmt: skip
"""Names of a user's own splits (in any case) → names of lbt's."""

Skipped = Mapping[str, Sequence[str]]
"""Reason → names of the files or rows that were left out for it."""


@dataclass(frozen=True)
class Decoded:
    """Pixels of a listing.

    Attributes:
        pixels: uint8 (M, H, W, C), C = 1 or 3.
        kept: (M,) positions, among those asked for, of the images that could be read.
        skipped: the others, by reason.
        notes: lines on how pixels were understood.
    """

    pixels: np.ndarray
    kept: np.ndarray
    skipped: Skipped = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listing:
    """The images at a path.

    Attributes:
        where: the path, for messages.
        format: its format in words.
        labels: a class name, a class number or None for each image.
        decode: ``decode(index, size)`` reads the images at the positions ``index`` (int64, (M,)); encoded ones become
            squares of ``size`` pixels (None: see :mod:`lbt.data.encoded`), arrays keep their size.
        names: class names where the data give them, in the order of the class numbers.
        splits: train, validation, test or None for each image; None where the data have no splits.
        columns: further columns of the image table (``file``, ``user``, ``time``, ``split``).
        skipped: what is no image, by reason.
        notes: lines on what was found.
    """

    where: str
    format: str
    labels: Sequence[object]
    decode: Callable[[np.ndarray, int | None], Decoded]
    names: tuple[str, ...] | None = None
    splits: Sequence[str | None] | None = None
    columns: Mapping[str, list[Any]] = field(default_factory=dict)
    skipped: Skipped = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def split_name(found: object, where: str) -> str | None:
    """The split that a user's word means; None for an empty cell.

    Raises:
        LbtError: another word.
    """
    if found is None or found == "":
        return None
    if name := SPLIT_NAMES.get(str(found).strip().lower()):
        return name
    raise LbtError(f"{where}: split: found {told(found)}; accepted: {', '.join(SPLIT_NAMES)}")


def split_names(values: Iterable[object], place: Callable[[int], str]) -> list[str | None]:
    """:func:`split_name` of each value; ``place`` says where one stands, by its number from 0."""
    return [None if value is None else split_name(value, place(number)) for number, value in enumerate(values)]


def some(names: Sequence[object], most: int = 3) -> str:
    """The first of ``names``, and how many more there are."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def count(number: int, thing: str, plural: str = "") -> str:
    """``1 image``, ``2 images``."""
    return f"{number:,} {thing if number == 1 else plural or f'{thing}s'}"
