"""MATLAB's .mat files: arrays as in :mod:`lbt.data.keyed`, images (N, H, W), (N, H, W, C) or SVHN's (H, W, C, N)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lbt.data import matlab
from lbt.data.keyed import in_memory, listing
from lbt.data.listing import Listing
from lbt.data.readers import h5
from lbt.errors import LbtError, reading

SUFFIXES = (".mat",)


def read(path: Path) -> Listing:
    """The images in the file; one of version 7.3 is an HDF5 file."""
    found = reading(path, "MATLAB .mat", _load)
    if found is None:
        return h5.read(path)
    return listing(path, ".mat arrays", in_memory(found))


def _load(path: Path) -> dict[str, np.ndarray] | None:
    with path.open("rb") as file:
        if file.read(8) == b"\x89HDF\r\n\x1a\n" or b"MATLAB 7.3" in file.read(120):
            return None
    held = matlab.read(path)
    if not held:
        raise LbtError(f"{path}: no array of numbers")
    counts = {array.size for array in held.values() if array.ndim == 2 and 1 in array.shape}
    return {
        name: array.transpose(3, 0, 1, 2) if array.ndim == 4 and len(array) not in counts else array
        for name, array in held.items()
    }
