"""Labels as they come (names, numbers, nothing) → class numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lbt.data.listing import some
from lbt.errors import LbtError, told

LAST_CLASS = 32767
"""The largest class number that an image table can hold."""


@dataclass(frozen=True)
class Numbered:
    """Labels as class numbers.

    Attributes:
        labels: int64 (N,), -1 for none.
        classes: class names by number; empty where no image has a label and nobody named a class.
        notes: lines on what was found.
    """

    labels: np.ndarray
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def number(
    labels: Sequence[object], names: Sequence[str] | None, where: str, asked: Sequence[str] | None = None
) -> Numbered:
    """Number the classes: names in alphabetical order, numbers as they are.

    Args:
        labels: text, whole numbers (floats too), or None, NaN, "" or -1 for an image without a label.
        names: class names of numbered labels, or all names that a label may be.
        where: the path, for messages.
        asked: the classes that the user asks for; they name numbered classes that have no names.

    Raises:
        LbtError: a label is no class, or classes have one name twice.
    """
    if names is not None and (twice := [name for name, n in Counter(names).items() if n > 1]):
        raise LbtError(f"{where}: class {told(twice[0])} is named twice")
    plain = [_plain(label) for label in labels]
    known = [label for label in plain if label is not None]
    if not known:
        return Numbered(np.full(len(plain), -1), tuple(names or asked or ()))
    if all(isinstance(label, str) for label in known):
        return _of_names(plain, names, where)
    strange = [label for label in known if not _is_number(label)]
    if strange:
        mixed = " among numbers" if isinstance(strange[0], str) else ""
        accepted = "whole numbers from 0, or names; -1 or null for none"
        raise LbtError(f"{where}: label {told(strange[0])}{mixed}; accepted: {accepted}")
    if (largest := max(int(label) for label in known)) > LAST_CLASS:  # type: ignore[call-overload]
        raise LbtError(f"{where}: label {told(largest)}; accepted: -1 (none), or a class from 0 to {LAST_CLASS}")
    found = np.array([-1 if label is None else int(label) for label in plain], np.int64)  # type: ignore[call-overload]
    notes = [f"{where}: labels are floats that hold whole numbers"] if _floats(known) else []
    return _of_numbers(found, names, where, asked, notes)


def _plain(label: object) -> object:
    """A label as text, int or float; None where there is none."""
    if isinstance(label, np.generic):
        label = label.item()
    if isinstance(label, bytes):
        label = label.decode("utf-8", "replace")
    if isinstance(label, str):
        return label.strip() or None
    missing = label is None or label == -1 or (isinstance(label, float) and math.isnan(label))
    return None if missing else label


def _is_number(label: object) -> bool:
    return isinstance(label, int | float) and not isinstance(label, bool) and label >= 0 and label == label // 1


def _floats(labels: Iterable[object]) -> bool:
    return any(isinstance(label, float) for label in labels)


def _of_names(labels: Sequence[object], names: Sequence[str] | None, where: str) -> Numbered:
    found = sorted({str(label) for label in labels if label is not None})
    classes = tuple(found if names is None else names)
    if len(classes) > LAST_CLASS + 1:
        raise LbtError(f"{where}: {len(classes):,} classes; accepted: at most {LAST_CLASS + 1:,}")
    numbers: dict[object, int] = {name: index for index, name in enumerate(classes)}
    if unknown := [name for name in found if name not in numbers]:
        raise LbtError(f"{where}: label {told(unknown[0])} is not one of its classes, {some(classes)}")
    alike = [name for name, n in Counter(name.strip().casefold() for name in classes).items() if n > 1]
    twins = [name for name in classes if alike and name.strip().casefold() == alike[0]]
    notes = (f"{where}: classes {' and '.join(map(repr, twins))} differ in case or spaces only",) if twins else ()
    return Numbered(np.array([-1 if label is None else numbers[label] for label in labels], np.int64), classes, notes)


def _of_numbers(
    labels: np.ndarray, names: Sequence[str] | None, where: str, asked: Sequence[str] | None, notes: list[str]
) -> Numbered:
    largest = int(labels.max())
    values = np.unique(labels[labels >= 0])
    if names is None and asked and not set(asked) <= {str(value) for value in values} and largest < len(asked):
        names = asked
    if names is not None:
        if largest >= len(names):
            raise LbtError(f"{where}: label {largest}, but there are {len(names)} classes")
        return Numbered(labels, tuple(names), tuple(notes))
    if len(values) <= largest:
        notes.append(f"{where}: labels are {some(values.tolist())}, not 0 to {len(values) - 1}: they name the classes")
    numbers = np.searchsorted(values, labels)
    return Numbered(np.where(labels < 0, -1, numbers), tuple(str(value) for value in values), tuple(notes))
