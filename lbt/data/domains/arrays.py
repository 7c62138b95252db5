"""Images and labels in one .npz or Parquet file that the user names: 70 % / 15 % / 15 % per class.

- ``.npz``: ``images`` (N, H, W), (N, H, W, C) or (N, C, H, W), uint8 or floats in [0, 1]; ``labels`` (N,), whole
  numbers from 0, or strings; ``classes``, optional: the names of numbered classes. Object arrays (pickles) are refused.
- Parquet: lbt's own image tables, or columns ``image`` (encoded bytes, or a struct with ``bytes``) and ``label``.

A label of -1 (or a null) marks an image without a label; such images are used for training only.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lbt.artifacts import Images, read_images, read_table
from lbt.data.domains.folder import SIZE, read_square
from lbt.data.params import DomainSpec
from lbt.data.splits import Splits, split
from lbt.errors import LbtError, nearest, reading

LAST_CLASS = 32767
"""The largest class number that an image table can hold."""


def load(spec: DomainSpec) -> Splits:
    """The images in the file ``spec.path``."""
    path = Path(spec.path or "")
    if not path.is_file():
        raise LbtError(f"{path}: no such file")
    skipped: tuple[str, ...] = ()
    if path.suffix == ".npz":
        images = _read_npz(path)
    elif path.suffix == ".parquet":
        images, skipped = _read_parquet(path, spec.size or SIZE)
    else:
        raise LbtError(f"{path}: found a file of type {path.suffix!r}; accepted: .npz, .parquet")
    empty = set(range(len(images.classes))) - set(images.labels.tolist())
    if empty:
        raise LbtError(f"{path}: class {images.classes[min(empty)]} is empty")
    splits = split(images, validation=0.15, test=0.15)
    return Splits(splits.train, splits.validation, splits.test, skipped)


def _read_npz(path: Path) -> Images:
    pixels, labels, names = reading(path, ".npz", _arrays)
    return _labelled(_as_pixels(path, pixels), labels, names, path)


def _arrays(path: Path) -> tuple[np.ndarray, list[object], list[str] | None]:
    """Pixels as they are, labels, and class names if there are any."""
    with np.load(path, allow_pickle=False) as held:
        for key in ("images", "labels"):
            if key not in held:
                raise LbtError(f"{path}: no array {key!r}; found {', '.join(held)}{nearest(key, held)}")
        pixels, labels = held["images"], held["labels"]
        names = held["classes"].astype(str) if "classes" in held else None
    for key, array in (("labels", labels), ("classes", names)):
        if array is not None and array.ndim != 1:
            raise LbtError(f"{path}: {key} has shape {array.shape}; accepted: (N,)")
    return pixels, labels.tolist(), None if names is None else names.tolist()


def _as_pixels(path: Path, pixels: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, C) from any of the accepted layouts."""
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    elif pixels.ndim == 4 and pixels.shape[1] in (1, 3) and pixels.shape[3] not in (1, 3):
        pixels = pixels.transpose(0, 2, 3, 1)
    if pixels.ndim != 4 or pixels.shape[3] not in (1, 3) or 0 in pixels.shape[1:]:
        raise LbtError(f"{path}: images has shape {pixels.shape}; accepted: (N, H, W), (N, H, W, C), (N, C, H, W)")
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    if pixels.dtype.kind != "f" or not np.logical_and(pixels >= 0, pixels <= 1).all():  # NaN is neither
        raise LbtError(f"{path}: images are {pixels.dtype}; accepted: uint8, or floats from 0 to 1")
    return np.round(pixels * 255).astype(np.uint8)


def _read_parquet(path: Path, size: int) -> tuple[Images, tuple[str, ...]]:
    table = read_table(path)
    if b"shape" in (table.schema.metadata or {}):
        return read_images(path), ()
    for key in ("image", "label"):
        if key not in table.column_names:
            raise LbtError(f"{path}: no column {key!r}; found {', '.join(table.column_names)}")
    pixels, labels, skipped = [], [], []
    rows = zip(table.column("image").to_pylist(), table.column("label").to_pylist(), strict=True)
    for number, (cell, label) in enumerate(rows):
        encoded = cell.get("bytes") if isinstance(cell, dict) else cell
        image = read_square(encoded, size) if isinstance(encoded, bytes) else None
        if image is None:
            skipped.append(f"row {number}")
        else:
            pixels.append(image)
            labels.append(-1 if label is None else label)
    if not pixels:
        raise LbtError(f"{path}: none of its {len(table)} images can be read")
    return _labelled(np.stack(pixels), labels, None, path), tuple(skipped)


def _labelled(pixels: np.ndarray, labels: list[object], names: list[str] | None, path: Path) -> Images:
    """Number the classes: strings in alphabetical order, whole numbers as they are."""
    if len(labels) != len(pixels):
        raise LbtError(f"{path}: {len(pixels)} images but {len(labels)} labels")
    known = [label for label in labels if label != -1]
    if known and all(isinstance(label, str) for label in known):
        classes = names or sorted({str(label) for label in known})
        number = {name: index for index, name in enumerate(classes)}
        if unknown := sorted({str(label) for label in known} - set(number)):
            raise LbtError(f"{path}: label {unknown[0]!r} is not one of its classes")
        numbers = [-1 if label == -1 else number[str(label)] for label in labels]
    elif known and all(isinstance(label, int) and label >= 0 for label in known):
        numbers = [int(label) for label in labels if isinstance(label, int)]
        if max(numbers) > LAST_CLASS:
            raise LbtError(f"{path}: label {max(numbers)}; accepted: -1 (none), or a class from 0 to {LAST_CLASS}")
        classes = names or [str(index) for index in range(max(numbers) + 1)]
        if max(numbers) >= len(classes):
            raise LbtError(f"{path}: label {max(numbers)}, but there are {len(classes)} classes")
    else:
        raise LbtError(f"{path}: labels must be whole numbers from 0 or strings; -1 (null) where there is none")
    return Images(pixels, np.array(numbers, np.int64), tuple(classes))
