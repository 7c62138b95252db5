"""Arrays under names (in .npz, .mat and .h5 files) → the images that they are.

Accepted names: ``images`` and ``labels``, or ``x`` and ``y`` (``X``, ``Y`` too); with the user's own split ``x_train``,
``y_train``, … (Keras) or ``train_images``, ``train_labels``, …, for train, val (valid, validation) and test. Beside
them ``classes`` (names of numbered classes), ``file``, ``user``, ``time`` and ``split``, one value an image.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np

from lbt import mapped
from lbt.data.columns import column, rows_of
from lbt.data.depth import to_uint8
from lbt.data.listing import SPLIT_NAMES, Decoded, Listing, split_names
from lbt.errors import LbtError, nearest

PAIRS = (("images", "labels"), ("x", "y"), ("X", "y"), ("X", "Y"), ("data", "target"))
NOTES = ("file", "user", "time", "split")
AXES = "(N, H, W), (N, H, W, C) or (N, C, H, W), where C is 1 or 3"
"""Axes of arrays of images, in words."""
_OF_SPLITS = (("x_{}", "y_{}"), ("X_{}", "y_{}"), ("{}_images", "{}_labels"), ("{}_x", "{}_y"))


def listing(path: Path, kind: str, arrays: Mapping[str, Callable[[], np.ndarray]]) -> Listing:
    """The images in ``arrays``.

    Args:
        path: the file.
        kind: its format in words.
        arrays: name → reads the array.

    Raises:
        LbtError: no array has a name that is accepted, or shapes do not go together.
    """
    found = _pairs(path, arrays)
    labels: list[object] = []
    splits: list[str | None] = []
    bare = []
    for split, images, name in found:
        own = _labels(path, name, arrays[name]()) if name in arrays else [None] * len(arrays[images]())
        bare += [] if name in arrays else [name]
        labels += own
        splits += [split] * len(own)
    used = {name for _, *pair in found for name in pair}
    columns: dict[str, list[Any]] = {}
    for name in NOTES:
        if name in arrays:
            used.add(name)
            columns[name] = _column(path, name, arrays[name](), len(labels))
    names = None
    if "classes" in arrays:
        used.add("classes")
        names = tuple(map(str, _labels(path, "classes", arrays["classes"]())))
    other = sorted(set(arrays) - used)
    also = f"; not read: {', '.join(other)}" if other else ""
    notes = [f"{path}: no array {' or '.join(bare)}: images without labels{also}"] if bare else []
    if other and not bare:
        notes = [f"{path}: arrays that are not read: {', '.join(other)}"]
    own_splits: list[str | None] | None = splits if any(splits) else None
    if "split" in columns:
        own_splits = split_names(columns.pop("split"), rows_of(path))
    return Listing(
        where=str(path),
        format=kind,
        labels=labels,
        decode=partial(_decode, path, arrays, [images for _, images, _ in found], len(labels)),
        names=names,
        splits=own_splits,
        columns=columns,
        notes=tuple(notes),
    )


def _pairs(path: Path, arrays: Collection[str]) -> list[tuple[str | None, str, str]]:
    """(split, name of the images, name of the labels), the latter whether or not it is there."""
    of_splits: list[tuple[str | None, str, str]] = [
        (split, images.format(word), labels.format(word))
        for images, labels in _OF_SPLITS
        for word, split in SPLIT_NAMES.items()
        if images.format(word) in arrays
    ]
    known = [pair for pair in PAIRS if pair[0] in arrays]
    whole: list[tuple[str | None, str, str]] = [(None, *p) for p in sorted(known, key=lambda p: p[1] not in arrays)]
    found = of_splits or whole[:1]
    if not found:
        names = [name for pair in PAIRS for name in pair] + ["x_train", "y_train", "x_test", "y_test"]
        near = "".join(filter(None, [nearest("images", arrays)]))
        raise LbtError(
            f"{path}: no array 'images'; found {', '.join(sorted(arrays)) or 'none'}{near}; accepted: "
            f"{', '.join(dict.fromkeys(names))}"
        )
    parts = [split for split, *_ in found]
    if len(set(parts)) < len(parts):
        raise LbtError(f"{path}: arrays {', '.join(images for _, images, _ in found)} are for one split twice")
    return found


def _labels(path: Path, name: str, array: np.ndarray) -> list[object]:
    if array.ndim == 2 and 1 in array.shape:
        array = array.ravel()
    if array.ndim != 1:
        raise LbtError(f"{path}: {name} has shape {array.shape}; accepted: (N,)")
    listed: list[object] = array.tolist()
    return listed


def _column(path: Path, name: str, array: np.ndarray, length: int) -> list[Any]:
    values = _labels(path, name, array)
    if len(values) != length:
        raise LbtError(f"{path}: {length} images but {len(values)} values in {name}")
    return column(name, values, rows_of(path))


def _decode(
    path: Path,
    arrays: Mapping[str, Callable[[], np.ndarray]],
    names: list[str],
    count: int,
    index: np.ndarray,
    size: int | None,
) -> Decoded:
    given = {name: arrays[name]() for name in names}
    odd = [line for name, array in given.items() for line in _two_readings(path, name, array)]
    parts = [as_images(path, name, array) for name, array in given.items()]
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) > 1:
        raise LbtError(f"{path}: {' and '.join(names)} have images of different shapes: {sorted(shapes)}")
    types = {part.dtype for part in parts}
    if len(types) > 1:
        raise LbtError(f"{path}: {' and '.join(names)} are of different types: {', '.join(sorted(map(str, types)))}")
    if sum(map(len, parts)) != count:
        raise LbtError(f"{path}: {sum(map(len, parts))} images but {count} labels")
    pixels, notes = to_uint8(mapped.joined(parts), f"{path}: {', '.join(names)}")
    chosen = pixels if len(index) == count else mapped.take(pixels, index)
    return Decoded(chosen, np.arange(len(index)), notes=(*odd, *notes))


def as_images(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    """The array as (N, H, W, C), from one of :data:`AXES`."""
    if array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4 and array.shape[1] in (1, 3) and array.shape[3] not in (1, 3):
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape[1:]:
        side = isqrt(array.shape[1]) if array.ndim == 2 else 0
        hint = f"; rows of {side}×{side} pixels? reshape them" if side > 1 and side**2 == array.shape[1] else ""
        raise LbtError(f"{path}: {name} has shape {array.shape}; accepted: {AXES}{hint}")
    return array


def _two_readings(path: Path, name: str, array: np.ndarray) -> list[str]:
    """A line on an array of which two axes could be the channels."""
    if array.ndim != 4 or array.shape[1] not in (1, 3) or array.shape[3] not in (1, 3):
        return []
    return [f"{path}: {name} of shape {array.shape}: read as (N, H, W, C); transpose it if it is (N, C, H, W)"]
