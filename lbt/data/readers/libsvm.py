"""libsvm text (``label 1:value 2:value …``), plain or packed: the values are a square grey image."""

from __future__ import annotations

from functools import partial
from math import isqrt
from pathlib import Path

import numpy as np

from lbt.data import svmlight
from lbt.data.keyed import listing
from lbt.data.listing import Listing
from lbt.errors import LbtError

SUFFIXES = (".libsvm", ".svm", ".svmlight", ".bz2")
LARGEST = 512 * 512


def read(path: Path) -> Listing:
    """The images in the file."""
    rows = svmlight.read(path)
    side = isqrt(max(0, rows.features))
    if not side or side * side != rows.features or rows.features > LARGEST:
        raise LbtError(f"{path}: {rows.features} values an image; accepted: a square number, such as 784")
    return listing(path, "libsvm text", {"images": partial(_images, rows, side), "labels": lambda: rows.labels})


def _images(rows: svmlight.Rows, side: int) -> np.ndarray:
    return rows.values().reshape(-1, side, side)
