"""Numeric arrays of MATLAB 5 files (``-v6``, ``-v7``), read without C code: SciPy's reader crashes on some damage.

The format (MathWorks, "MAT-File Format"): a header of 128 bytes, then elements. An element is a tag (type and size, or
both and the data in 8 bytes) and its data, padded to 8 bytes; a variable is one element, compressed or not, that
holds its flags, its shape, its name and its values in column order.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lbt.errors import LbtError

_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED = 14, 15
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""Types of elements, and classes of variables, that are plain numbers."""
LARGEST = 1 << 32
"""Bytes that a variable may unpack to."""


def read(path: Path) -> dict[str, np.ndarray]:
    """Every real numeric array by its name; other variables (text, cells, structures, sparse ones) are left out.

    Raises:
        LbtError: not such a file.
        ValueError, struct.error, zlib.error: damaged.
    """
    content = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise LbtError(f"{path}: not a MATLAB 5 file; save it with -v7")
    found = {}
    for kind, data in _elements(content[128:], order):
        if kind == _COMPRESSED:
            unpacked = zlib.decompressobj().decompress(data, LARGEST)
            kind, data = next(_elements(unpacked, order))
        if kind == _MATRIX and (variable := _variable(data, order)) is not None:
            found[variable[0]] = variable[1]
    return found


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """The type and the data of each element."""
    place = 0
    while place + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, place)
        if kind >> 16:  # a small one: its data lie in the tag
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise ValueError(f"an element of {size} bytes in a tag")
            yield kind, content[place + 4 : place + 4 + size]
            place += 8
            continue
        data = content[place + 8 : place + 8 + size]
        if len(data) < size:
            raise ValueError(f"an element of {size} bytes, of which {len(data)} are there")
        yield kind, data
        place += 8 + size + (-size % 8 if kind != _COMPRESSED else 0)


def _variable(data: bytes, order: str) -> tuple[str, np.ndarray] | None:
    """Name and values of a variable; None if it is no real numeric array."""
    parts = _elements(data, order)
    flags = struct.unpack(f"{order}II", next(parts, (0, b""))[1])[0]
    kind, complex_ = flags & 0xFF, flags & 0x800
    shape = np.frombuffer(next(parts, (0, b""))[1], f"{order}i4").tolist()
    name = next(parts, (0, b""))[1].decode("ascii")
    if kind not in _CLASSES or complex_:
        return None
    held, values = next(parts, (0, b""))
    if held not in _TYPES or any(side < 0 for side in shape):
        raise ValueError(f"{name}: values of type {held}, shape {shape}")
    array = np.frombuffer(values, f"{order}{_TYPES[held]}")
    return name, array.reshape(shape, order="F").astype(_CLASSES[kind])
