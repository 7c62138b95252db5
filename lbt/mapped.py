"""Arrays that may be larger than memory: over ``LARGE`` bytes they lie in a temporary file, mapped into memory.

The system drops their pages as it needs the room, and reads them again. The file has no name, so that it goes with the
array, also when the process is killed. It lies in the system's folder for temporary files (``TMPDIR`` names another),
which should not be a RAM disk. Light: no torch.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Sequence
from math import prod
from typing import IO

import numpy as np
from numpy.typing import DTypeLike

from lbt.errors import LbtError
from lbt.progress import track

LARGE = 1 << 25
"""Bytes above which an array lies in a file."""
PART = 1 << 24
"""Bytes that are made, read or copied at a time."""


def empty(shape: Sequence[int], dtype: DTypeLike = np.uint8) -> np.ndarray:
    """An uninitialised array.

    Raises:
        LbtError: no room for the file.
    """
    size = prod(shape) * np.dtype(dtype).itemsize
    if size <= LARGE:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(prefix="lbt-") as file:
        _reserve(file, size)
        return np.asarray(np.memmap(file, dtype, "r+", shape=tuple(shape)))


def _reserve(file: IO[bytes], size: int) -> None:
    """Make room for the file on the disk: a write to a mapped page without room would kill the process."""
    try:
        if hasattr(os, "posix_fallocate"):
            return os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            found = f"no room for {size:,} bytes of images ({error.strerror})"
            raise LbtError(f"{tempfile.gettempdir()}: {found}; the variable TMPDIR names another folder") from None
    file.truncate(size)  # a system or a network drive that cannot reserve
    return None


def parts(count: int, width: int) -> list[slice]:
    """Slices of ``count`` rows of ``width`` bytes, each of about ``PART`` bytes."""
    rows = max(1, PART // max(1, width))
    return [slice(start, min(start + rows, count)) for start in range(0, count, rows)]


def made(
    shape: Sequence[int], dtype: DTypeLike, rows: Callable[[slice], np.ndarray], doing: str | None = None
) -> np.ndarray:
    """The array whose rows ``rows(slice)`` gives, a part at a time.

    Args:
        shape: of the whole; the first axis is rows.
        dtype: of the whole.
        rows: called for one slice after the other.
        doing: words for the progress of a large one. Default: none is shown.
    """
    whole = empty(shape, dtype)
    pieces = parts(shape[0], prod(shape[1:]) * whole.itemsize)
    for piece in track(pieces, doing) if doing and whole.nbytes > LARGE else pieces:
        whole[piece] = rows(piece)
    return whole


def take(array: np.ndarray, index: np.ndarray) -> np.ndarray:
    """A copy of the rows at ``index`` (int64, (M,))."""
    return made((len(index), *array.shape[1:]), array.dtype, lambda rows: array[index[rows]], "sorting")


def contiguous(array: np.ndarray) -> np.ndarray:
    """The array in C order: itself, or a copy."""
    if array.flags.c_contiguous:
        return array
    return made(array.shape, array.dtype, lambda rows: array[rows], "copying")


def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The arrays one after the other; all have one type, and one shape but for the number of rows."""
    if len(arrays) == 1:
        return arrays[0]
    whole = empty((sum(map(len, arrays)), *arrays[0].shape[1:]), arrays[0].dtype)
    start = 0
    for array in arrays:
        for piece in parts(len(array), array[:1].nbytes):
            whole[start + piece.start : start + piece.stop] = array[piece]
        start += len(array)
    return whole


def read(stream: IO[bytes], shape: Sequence[int], dtype: DTypeLike = np.uint8) -> np.ndarray:
    """The next bytes of ``stream`` as an array in C order.

    Raises:
        ValueError: fewer bytes are there.
        OSError: no room for them.
    """
    size = prod(shape) * np.dtype(dtype).itemsize
    if size <= LARGE:
        content = bytearray(stream.read(size))
        _check_length(len(content), size)
        return np.frombuffer(content, dtype).reshape(shape)
    with tempfile.TemporaryFile(prefix="lbt-") as file:
        held = 0
        for start in track(range(0, size, PART), "unpacking"):
            stop = min(start + PART, size)
            held += file.write(stream.read(stop - start))
            _check_length(held, stop)  # a header may lie: no room is taken before the bytes come
        file.flush()
        return np.asarray(np.memmap(file, dtype, "r+", shape=tuple(shape)))


def _check_length(found: int, size: int) -> None:
    if found < size:
        raise ValueError(f"fewer bytes than its header says ({size})")
