"""Labels as they come (names, numbers, nothing) → class numbers."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lbt.data.listing import count, some
from lbt.errors import LbtError, told

LAST_CLASS = 32767
"""The largest class number that an image table can hold."""
FLOATS = "{}: labels are floats that hold whole numbers"
ABSENT = ("nan", "none", "null", "n/a", "na", "?")
"""Names that programs write where there is no value, in lower case."""
_NUMERAL = re.compile(r"[0-9]+(\.0+)?")


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
    notes = _missing(labels, where)
    if not known:
        return Numbered(np.full(len(plain), -1), tuple(names or asked or ()), tuple(notes))
    if all(isinstance(label, str) for label in known):
        return _told(_of_names(plain, names, where, notes), where)
    strange = next((n for n, label in enumerate(plain) if label is not None and not _is_number(label)), None)
    if strange is not None:
        mixed = " among numbers" if isinstance(plain[strange], str) else ""
        accepted = "whole numbers from 0, or names; -1 or null for none"
        raise LbtError(f"{where}: row {strange}: label {told(plain[strange])}{mixed}; accepted: {accepted}")
    largest, at = max((int(label), -n) for n, label in enumerate(plain) if label is not None)  # type: ignore[call-overload]
    if largest > LAST_CLASS:
        accepted = f"-1 (none), or a class from 0 to {LAST_CLASS}"
        raise LbtError(f"{where}: row {-at}: label {told(largest)}; accepted: {accepted}")
    found = np.array([-1 if label is None else int(label) for label in plain], np.int64)  # type: ignore[call-overload]
    if any(isinstance(label, float) for label in known):
        notes.append(FLOATS.format(where))
    return _told(_of_numbers(found, names, where, asked, notes), where)


def _missing(labels: Sequence[object], where: str) -> list[str]:
    """A line on labels that are NaN, which mean that there is none."""
    absent = [n for n, label in enumerate(labels) if isinstance(label, float | np.floating) and math.isnan(label)]
    return [f"{where}: {count(len(absent), 'label')} NaN: taken as none, first number {absent[0]}"] if absent else []


def _told(found: Numbered, where: str) -> Numbered:
    """``found`` with lines on class names that look like a mistake."""
    alike = [name for name, n in Counter(name.strip().casefold() for name in found.classes).items() if n > 1]
    twins = [name for name in found.classes if alike and name.strip().casefold() == alike[0]]
    notes = [f"{where}: classes {' and '.join(map(repr, twins))} differ in case or spaces only"] if twins else []
    for name in found.classes:
        if name.strip().casefold() in ABSENT:
            notes.append(f"{where}: a class is called {name!r}: an empty cell, null or -1 is no label")
    return replace(found, notes=(*found.notes, *notes))


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


def _of_names(labels: Sequence[object], names: Sequence[str] | None, where: str, notes: list[str]) -> Numbered:
    found = sorted({str(label) for label in labels if label is not None})
    if names is None and any("." in name for name in found) and all(map(_NUMERAL.fullmatch, found)):
        labels = [None if label is None else str(label).partition(".")[0] for label in labels]
        found = sorted({str(label) for label in labels if label is not None})
        notes.append(FLOATS.format(where))
    classes = tuple(found if names is None else names)
    if len(classes) > LAST_CLASS + 1:
        raise LbtError(f"{where}: {len(classes):,} classes; accepted: at most {LAST_CLASS + 1:,}")
    numbers: dict[object, int] = {name: index for index, name in enumerate(classes)}
    if unknown := [name for name in found if name not in numbers]:
        at = next(n for n, label in enumerate(labels) if label is not None and str(label) == unknown[0])
        raise LbtError(f"{where}: row {at}: label {told(unknown[0])} is not one of its classes, {some(classes)}")
    if all(name.isdecimal() for name in classes):
        notes += _not_from_zero(sorted(map(int, classes)), where)
    return Numbered(
        np.array([-1 if label is None else numbers[label] for label in labels], np.int64), classes, tuple(notes)
    )


def _not_from_zero(values: Sequence[int], where: str) -> list[str]:
    """A line on numbers that are not those from 0 on."""
    if list(values) == list(range(len(values))):
        return []
    return [f"{where}: labels are {some(values)}, not 0 to {len(values) - 1}: they name the classes"]


def _of_numbers(
    labels: np.ndarray, names: Sequence[str] | None, where: str, asked: Sequence[str] | None, notes: list[str]
) -> Numbered:
    largest = int(labels.max())
    values = np.unique(labels[labels >= 0])
    if names is None and asked and not set(asked) <= {str(value) for value in values} and largest < len(asked):
        names = asked
    if names is not None:
        if largest >= len(names):
            at = int(labels.argmax())
            raise LbtError(f"{where}: row {at}: label {largest}, but there are {len(names)} classes")
        return Numbered(labels, tuple(names), tuple(notes))
    notes += _not_from_zero(values.tolist(), where)
    numbers = np.searchsorted(values, labels)
    return Numbered(np.where(labels < 0, -1, numbers), tuple(str(value) for value in values), tuple(notes))
