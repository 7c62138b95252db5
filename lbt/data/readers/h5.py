"""HDF5 files (.h5, .hdf5): data sets as in :mod:`lbt.data.keyed`, at the top or in groups (``train/x`` is ``train_x``).

Needs the package h5py, which lbt does not install.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lbt import mapped
from lbt.data.keyed import listing
from lbt.data.listing import Listing
from lbt.errors import LbtError, reading

SUFFIXES = (".h5", ".hdf5")


def read(path: Path) -> Listing:
    """The images in the file.

    Raises:
        LbtError: h5py is not installed, or the file is wrong.
    """
    try:
        import h5py
    except ImportError:
        raise LbtError(f"{path}: an HDF5 file needs the package h5py: pip install h5py") from None

    def names(p: Path) -> list[str]:
        found: list[str] = []
        with h5py.File(p, "r") as file:
            file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        return found

    def member(name: str) -> np.ndarray:
        def load(p: Path) -> np.ndarray:
            with h5py.File(p, "r") as file:
                data: Any = file[name]
                if data.shape and data.dtype.kind in "biuf":
                    return mapped.made(data.shape, data.dtype, lambda rows: data[rows], "reading")
                array = data.asstr()[...] if h5py.check_string_dtype(data.dtype) else data[...]
                return np.asarray(array).astype(str) if array.dtype == object else np.asarray(array)

        return reading(path, "HDF5", load)

    found = reading(path, "HDF5", names)
    return listing(path, "HDF5 arrays", {name.replace("/", "_"): partial(member, name) for name in found})
