"""MNIST's idx files (``…-images-idx3-ubyte``, plain or packed) and the labels beside them (``…-labels-idx1-ubyte``).

A folder of such files is the user's own split: ``train-…``, ``val-…``, and ``test-…`` or ``t10k-…``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from lbt.data.beside import labels_beside
from lbt.data.formats import read_idx
from lbt.data.keyed import listing
from lbt.data.listing import SPLIT_NAMES, Listing
from lbt.errors import LbtError

SUFFIXES = (".ubyte", ".idx", ".idx1", ".idx3")
_SPLITS = {**SPLIT_NAMES, "t10k": "test"}


def claims(folder: Path) -> bool:
    """True if the folder holds idx files of images."""
    return bool(_images(folder))


def read(path: Path) -> Listing:
    """The images in a file or a folder."""
    files = _images(path) if path.is_dir() else [path]
    arrays: dict[str, Callable[[], np.ndarray]] = {}
    for file in files:
        split = _SPLITS.get(file.name.lower().replace("_", "-").partition("-")[0])
        prefix = f"{split}_" if split and path.is_dir() else ""
        if f"{prefix}images" in arrays:
            raise LbtError(f"{path}: {file.name} and another file are for one split twice")
        arrays[f"{prefix}images"] = partial(read_idx, file, 3)
        if (labels := labels_beside(file)) is not None:
            arrays[f"{prefix}labels"] = partial(read_idx, labels, 1)
    return listing(path, "idx files", arrays)


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if "images" in file.name and "idx3" in file.name)
