"""NumPy's .npz and .npy files; pickles in them are refused. For the names of arrays see :mod:`lbt.data.keyed`.

Labels of a .npy file lie in the file that :mod:`lbt.data.beside` finds.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from lbt import mapped
from lbt.data.beside import labels_beside
from lbt.data.keyed import listing
from lbt.data.listing import Listing
from lbt.errors import LbtError, reading

SUFFIXES = (".npz", ".npy")


def read(path: Path) -> Listing:
    """The images in the file."""
    if path.suffix.lower() == ".npz":
        names = reading(path, ".npz", _names)
        return listing(path, ".npz arrays", {name: partial(_member, path, name) for name in names})
    arrays: dict[str, Callable[[], np.ndarray]] = {"images": partial(_array, path)}
    if (beside := labels_beside(path)) is not None:
        arrays["labels"] = partial(_array, beside)
    return listing(path, ".npy array", arrays)


def _names(path: Path) -> list[str]:
    with np.load(path, allow_pickle=False) as held:
        if not isinstance(held, np.lib.npyio.NpzFile):
            raise LbtError(f"{path}: one array; accepted: a file of named arrays, or the suffix .npy")
        return list(held)


def _member(path: Path, name: str) -> np.ndarray:
    def load(p: Path) -> np.ndarray:
        with np.load(p, allow_pickle=False) as held:
            large = _unpacked(held.zip, f"{name}.npy")
            array: np.ndarray = held[name] if large is None else large
            return array

    return reading(path, ".npz", load)


def _unpacked(held: zipfile.ZipFile, member: str) -> np.ndarray | None:
    """A large array of numbers, unpacked to the disk a part at a time; None for anything else."""
    if member not in held.namelist() or held.getinfo(member).file_size <= mapped.LARGE:
        return None
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    with held.open(member) as stream:
        if (header := headers.get(np.lib.format.read_magic(stream))) is None:
            return None
        shape, columns_first, dtype = header(stream)
        if dtype.kind not in "biuf":
            return None
        array = mapped.read(stream, shape[::-1] if columns_first else shape, dtype)
        stream.read(1)  # the end of the member, where its checksum is compared
    return array.T if columns_first else array


def _array(path: Path) -> np.ndarray:
    array: np.ndarray = reading(path, ".npy", partial(np.load, mmap_mode="r", allow_pickle=False))
    return array
