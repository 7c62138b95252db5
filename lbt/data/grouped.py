"""Splits that keep a user's images together, or that test what came later.

A network that is tested on a user whom it was trained on is tested on less than a new user meets; so is one that is
tested on the past. Both are functions of labels and columns alone, like every split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lbt.data.splits import SPLIT_SEED, Parts, divide, stratified_order
from lbt.errors import LbtError

FEWEST = 3
"""Users that three parts need at least."""
VALIDATION, TEST = 1, 2
"""Numbers of the parts; 0 is train."""
POSSIBLE = {
    "user": f"three parts need {FEWEST} users, and train a user with each class",
    "time": "three parts need different times, and train each class early",
}
"""The requirement that data do not meet."""


@dataclass(frozen=True)
class Division:
    """Positions of the images for training, validation and test; who cut them, in words; lines on what was not done."""

    parts: Parts
    origin: str
    notes: tuple[str, ...] = ()


def grouped(
    labels: np.ndarray, columns: Mapping[str, Sequence[Any]], asked: str | None, share: float, where: str
) -> Division:
    """Cut by users or times where the columns have them, else image by image (:func:`lbt.data.splits.divide`).

    Args:
        labels: (N,) class numbers, -1 for none.
        columns: any of ``user`` and ``time``, a cell for each image.
        asked: ``user``, ``time`` or ``image``. Default: the first of them that is possible.
        share: in (0, 1), for validation and for the test.
        where: the path, for messages.

    Raises:
        LbtError: what is asked for is not possible, or the images are too few.
    """
    notes: list[str] = []
    for name in (asked,) if asked else tuple(RULES):
        if name not in RULES:
            continue
        cells = columns.get(name)
        parts = None if cells is None or any(cell is None for cell in cells) else RULES[name](labels, cells, share)
        if parts is not None:
            return Division(parts, f"lbt's, by {name}", tuple(notes))
        if asked:
            found = "not every image has one" if cells is None or None in cells else POSSIBLE[name]
            raise LbtError(f"{where}: split_by: no split by {name}: {found}")
        if cells is not None:
            found = "not every image has one" if None in cells else POSSIBLE[name]
            notes.append(f"{where}: no split by {name}: {found}; a {name} may be in more than one part")
    return Division(divide(labels, share, share), "lbt's", tuple(notes))


def by_user(labels: np.ndarray, users: Sequence[str], share: float) -> Parts | None:
    """Whole users for validation and for the test, about the share ``share`` of the images each.

    Users come in a random order that is always the same. One goes to the test, then to validation, while the part is
    not full; who has half of the images, or a class that train would lack without them, stays in train.

    Args:
        labels: (N,) class numbers, -1 for none. Where some images have one, those are counted.
        users: of each image.
        share: in (0, 1), of the images that count, for each of the two.

    Returns:
        Positions for train, validation and test; None where one of them would have no image that counts.
    """
    people, number, sizes = np.unique(np.array(users, dtype=str), return_inverse=True, return_counts=True)
    owned = np.split(np.argsort(number, kind="stable"), np.cumsum(sizes)[:-1])
    counted = labels >= 0 if (labels >= 0).any() else np.ones(len(labels), bool)
    left = np.bincount(labels[labels >= 0], minlength=1)
    part, held = np.zeros(len(labels), np.int64), {TEST: 0, VALIDATION: 0}
    for place in np.random.default_rng(SPLIT_SEED).permutation(len(people)):
        mine = owned[place]
        size = int(counted[mine].sum())
        own = np.bincount(labels[mine][labels[mine] >= 0], minlength=len(left))
        needed = 2 * size > counted.sum() or ((own > 0) & (left == own)).any()
        open_ = [p for p, full in held.items() if not full or full + size / 2 <= share * counted.sum()]
        if size and open_ and not needed:
            part[mine], left = open_[0], left - own
            held[open_[0]] += size
    possible = len(people) >= FEWEST and all(held.values()) and (counted & (part == 0)).any()
    return _parts(labels, part) if possible else None


def by_time(labels: np.ndarray, times: Sequence[float], share: float) -> Parts | None:
    """The latest images for the test, those before them for validation; images of one time stay together.

    Args:
        labels: (N,) class numbers, -1 for none. Where some images have one, those are counted.
        times: of each image, in seconds.
        share: in (0, 1), of the images that count, for each of the two.

    Returns:
        Positions for train, validation and test; None where one of them would have no image that counts, or train would
        lack a class.
    """
    moments = np.array(times, float)
    counted = labels >= 0 if (labels >= 0).any() else np.ones(len(labels), bool)
    borders = np.quantile(moments[counted], [1 - 2 * share, 1 - share], method="higher")
    part = np.searchsorted(borders, moments, side="right")  # 0: before the first border; TEST: from the second on
    sizes = np.bincount(part[counted], minlength=3)
    train = set(labels[part == 0].tolist())
    if not sizes.all() or not set(labels[labels >= 0].tolist()) <= train:
        return None
    return _parts(labels, part)


def _parts(labels: np.ndarray, part: np.ndarray) -> Parts:
    index = [np.flatnonzero(part == number) for number in range(3)]
    train, validation, test = (one[stratified_order(labels[one])] for one in index)
    return train, validation, test


RULES: dict[str, Callable[[np.ndarray, Sequence[Any], float], Parts | None]] = {"user": by_user, "time": by_time}
"""Column → the split that it makes."""
