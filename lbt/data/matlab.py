"""Numeric arrays of MATLAB 5 files (``-v6``, ``-v7``), read without C code: SciPy's reader crashes on some damage.

The format (MathWorks, "MAT-File Format"): a header of 128 bytes, then elements. An element is a tag (type and size, or
both and the data in 8 bytes) and its data, padded to 8 bytes; a variable is one element, compressed or not, that
holds its flags, its shape, its name and its values in column order.

The names and shapes of all variables are read first (:func:`variables`), values a part at a time when they are asked
for, so that a file may be larger than memory.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from lbt import mapped
from lbt.errors import LbtError

_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED = 14, 15
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""Types of elements, and classes of variables, that are plain numbers."""
_LONGEST = 1 << 16
"""Bytes of a variable's flags, shape or name, which are a few dozen in a sound file."""
_PIECE = 1 << 16
"""Packed bytes that are read at a time."""


class _Place(NamedTuple):
    """The data of a top-level element: bytes ``start`` to ``stop`` of a file in the byte order ``order``."""

    start: int
    stop: int
    packed: bool
    order: str


@dataclass(frozen=True)
class Variable:
    """A real numeric array in a file, by its header.

    Attributes:
        path: the file.
        name: of the variable.
        shape: of the array.
        dtype: type of the array; its values may be kept in a smaller one.
        place: where its data lie.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    place: _Place

    def read(self) -> np.ndarray:
        """The array, in column order; a large one lies on the disk (:mod:`lbt.mapped`).

        Raises:
            ValueError, struct.error, zlib.error: damaged.
        """
        with self.path.open("rb") as file:
            order, stream = self.place.order, _matrix(file, self.place)
            _header(stream, order)
            kind, size, values = _element(stream, order)
            held = np.dtype(f"{order}{_TYPES[kind]}") if kind in _TYPES else None
            if held is None or size != prod(self.shape) * held.itemsize:
                raise ValueError(f"{self.name}: {size} bytes of type {kind} for the shape {self.shape}")
            array = mapped.read(values, self.shape[::-1], held)
            stream.read(8)  # padding, and the end of what is packed, where its checksum is compared
        if held != self.dtype:
            array = mapped.made(array.shape, self.dtype, lambda rows: array[rows])
        return array.T


def variables(path: Path) -> dict[str, Variable]:
    """Every real numeric array by its name; other variables (text, cells, structures, sparse ones) are left out.

    Raises:
        LbtError: not such a file.
        ValueError, struct.error, zlib.error: damaged.
    """
    found = {}
    with path.open("rb") as file:
        order = {b"IM": "<", b"MI": ">"}.get(file.read(128)[126:])
        if order is None:
            raise LbtError(f"{path}: not a MATLAB 5 file; save it with -v7")
        for place in _places(file, order):
            if (head := _header(_matrix(file, place), order)) is not None:
                found[head[0]] = Variable(path, *head, place)
    return found


def _places(file: IO[bytes], order: str) -> Iterator[_Place]:
    """The elements of the file that are matrices."""
    end, start = file.seek(0, io.SEEK_END), 128
    while start + 8 <= end:
        file.seek(start)
        kind, size, data = _element(file, order)
        if data is file:
            if start + 8 + size > end:
                raise ValueError(f"an element of {size} bytes, of which {end - start - 8} are there")
            if kind in (_MATRIX, _COMPRESSED):
                yield _Place(start + 8, start + 8 + size, kind == _COMPRESSED, order)
            start += size + (-size % 8 if kind != _COMPRESSED else 0)
        start += 8


class _Contents(io.RawIOBase):
    """The bytes at a place of a file, unpacked."""

    def __init__(self, file: IO[bytes], place: _Place) -> None:
        self.file, self.left = file, place.stop - place.start
        self.unpacked = zlib.decompressobj() if place.packed else None
        file.seek(place.start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.unpacked is None:
            data = self._take(len(buffer))
        else:
            data = b""
            while not data and not self.unpacked.eof and (more := self.unpacked.unconsumed_tail or self._take(_PIECE)):
                data = self.unpacked.decompress(more, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _take(self, most: int) -> bytes:
        data = self.file.read(min(most, self.left))
        self.left -= len(data)
        return data


def _matrix(file: IO[bytes], place: _Place) -> IO[bytes]:
    """A stream at the first part of the matrix at ``place``."""
    stream = io.BufferedReader(_Contents(file, place), _PIECE)
    if place.packed and (kind := _element(stream, place.order)[0]) != _MATRIX:
        raise ValueError(f"a packed element of type {kind}")
    return stream


def _element(stream: IO[bytes], order: str) -> tuple[int, int, IO[bytes]]:
    """Type and size of the next element, and a stream at its data: those of a small one lie in its tag."""
    tag = stream.read(8)
    kind, size = struct.unpack(f"{order}II", tag)
    if not kind >> 16:
        return kind, size, stream
    kind, size = kind & 0xFFFF, kind >> 16
    if size > 4:
        raise ValueError(f"an element of {size} bytes in a tag")
    return kind, size, io.BytesIO(tag[4:])


def _part(stream: IO[bytes], order: str) -> bytes:
    """The data of the next element, a short one."""
    _, size, data = _element(stream, order)
    content = data.read(min(size, _LONGEST))
    if len(content) < size:
        raise ValueError(f"an element of {size} bytes, of which {len(content)} are there")
    if data is stream:
        stream.read(-size % 8)
    return content


def _header(stream: IO[bytes], order: str) -> tuple[str, tuple[int, ...], np.dtype[Any]] | None:
    """Name, shape and type of a variable; None if it is no real numeric array. The stream is at its values then."""
    flags = struct.unpack(f"{order}II", _part(stream, order))[0]
    kind, complex_ = flags & 0xFF, flags & 0x800
    if kind not in _CLASSES or complex_:
        return None
    shape = tuple(np.frombuffer(_part(stream, order), f"{order}i4").tolist())
    name = _part(stream, order).decode("ascii")
    if any(side < 0 for side in shape):
        raise ValueError(f"{name}: shape {shape}")
    return name, shape, np.dtype(_CLASSES[kind])
