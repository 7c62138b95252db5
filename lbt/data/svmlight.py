"""libsvm text, plain or packed: lines ``label 1:value 2:value …`` in rising order, where zeros may be left out.

Labels and the largest index are read first (:func:`read`), values when they are asked for, both a few lines at a time,
so that a file may be larger than memory.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lbt import mapped
from lbt.data.formats import unpacked
from lbt.errors import reading
from lbt.progress import track

LONGEST = 1 << 24
"""Bytes of a line."""
FEW, SPARSE = 1 << 28, 64
"""Values that any file may have; and values a byte of text, which no set of images comes near."""


@dataclass(frozen=True)
class Rows:
    """The rows of a file.

    Attributes:
        path: the file.
        labels: float64 (N,).
        features: the largest index of a value.
        size: bytes of text.
    """

    path: Path
    labels: np.ndarray
    features: int
    size: int

    def values(self, features: int | None = None) -> np.ndarray:
        """The values, float64 (N, features); many lie on the disk (:mod:`lbt.mapped`).

        Args:
            features: values in a row. Default: the largest index.

        Raises:
            LbtError: not such a file, a larger index than ``features``, or far more zeros than text.
        """
        return reading(self.path, "libsvm", lambda _: self._values(self.features if features is None else features))

    def _values(self, features: int) -> np.ndarray:
        from sklearn.datasets import load_svmlight_file

        count, block = len(self.labels), max(1, mapped.PART // 4)
        if count * features > max(FEW, SPARSE * self.size):
            raise ValueError(f"{count} rows of {features} values in {self.size} bytes of text")
        whole, start = mapped.empty((count, features), np.float64), 0
        blocks = _blocks(self.path, block)
        large = whole.nbytes > mapped.LARGE
        for text in track(blocks, f"reading {self.path.name}", -(-self.size // block)) if large else blocks:
            found, _ = load_svmlight_file(io.BytesIO(text), n_features=features, zero_based=False)
            for part in mapped.parts(found.shape[0], 8 * features):
                whole[start + part.start : start + part.stop] = found[part].toarray()
            start += found.shape[0]
        if start != count:
            raise ValueError(f"{count} rows, of which {start} could be read")
        return whole


def read(path: Path) -> Rows:
    """The rows of a file.

    Raises:
        LbtError: not such a file, or an empty one.
    """
    return reading(path, "libsvm", _read)


def _read(path: Path) -> Rows:
    labels, features, size = array("d"), 0, 0
    for line in _lines(path):
        size += len(line)
        cells = line.partition(b"#")[0].rsplit(None, 1)
        if cells:
            labels.append(float(cells[0].split(None, 1)[0]))
        if len(cells) > 1:
            features = max(features, int(cells[1].partition(b":")[0]))
    if not labels:
        raise ValueError("no rows")
    return Rows(path, np.frombuffer(labels, np.float64), features, size)


def _lines(path: Path) -> Iterator[bytes]:
    with unpacked(path) as file:
        while line := file.readline(LONGEST):
            if len(line) == LONGEST:
                raise ValueError(f"a line of {LONGEST} bytes or more")
            yield line


def _blocks(path: Path, size: int) -> Iterator[bytes]:
    """The text in whole lines, about ``size`` bytes at a time."""
    lines: list[bytes] = []
    held = 0
    for line in _lines(path):
        lines.append(line)
        held += len(line)
        if held >= size:
            yield b"".join(lines)
            lines, held = [], 0
    if lines:
        yield b"".join(lines)
