"""MATLAB's .mat files: arrays as in :mod:`lbt.data.keyed`, images (N, H, W), (N, H, W, C) or SVHN's (H, W, C, N)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from lbt.data import matlab
from lbt.data.keyed import listing
from lbt.data.listing import Listing
from lbt.data.readers import h5
from lbt.errors import LbtError, reading

SUFFIXES = (".mat",)


def read(path: Path) -> Listing:
    """The images in the file; one of version 7.3 is an HDF5 file."""
    found = reading(path, "MATLAB .mat", _arrays)
    return h5.read(path) if found is None else listing(path, ".mat arrays", found)


def _arrays(path: Path) -> dict[str, Callable[[], np.ndarray]] | None:
    with path.open("rb") as file:
        if file.read(8) == b"\x89HDF\r\n\x1a\n" or b"MATLAB 7.3" in file.read(120):
            return None
    held = matlab.variables(path)
    if not held:
        raise LbtError(f"{path}: no array of numbers")
    counts = {prod(one.shape) for one in held.values() if len(one.shape) == 2 and 1 in one.shape}
    return {name: partial(_array, one, counts) for name, one in held.items()}


def _array(variable: matlab.Variable, counts: set[int]) -> np.ndarray:
    """The array, SVHN's (H, W, C, N) turned; ``counts`` are lengths that labels have."""
    array = reading(variable.path, "MATLAB .mat", lambda _: variable.read())
    return array.transpose(3, 0, 1, 2) if array.ndim == 4 and len(array) not in counts else array
