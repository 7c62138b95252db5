"""libsvm text (``label 1:value 2:value …``), plain or packed: the values are a square grey image."""

from __future__ import annotations

from math import isqrt
from pathlib import Path

from lbt.data.formats import read_libsvm
from lbt.data.keyed import in_memory, listing
from lbt.data.listing import Listing
from lbt.errors import LbtError

SUFFIXES = (".libsvm", ".svm", ".svmlight", ".bz2")
LARGEST = 512 * 512


def read(path: Path) -> Listing:
    """The images in the file."""
    values, labels = read_libsvm(path, features=None)
    side = isqrt(values.shape[1])
    if side * side != values.shape[1] or values.shape[1] > LARGEST:
        raise LbtError(f"{path}: {values.shape[1]} values an image; accepted: a square number, such as 784")
    images = values.reshape(-1, side, side)
    return listing(path, "libsvm text", in_memory({"images": images, "labels": labels}))
