"""The file formats in which digit data sets are published. Each reader checks all that it relies on."""

from __future__ import annotations

import bz2
import gzip
import struct
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

import numpy as np

from lbt import mapped
from lbt.data import matlab
from lbt.errors import reading

P = ParamSpec("P")
R = TypeVar("R")


def _named(kind: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Whatever goes wrong in a reader becomes one line that names the file (its first argument) and the format."""

    def decorate(read: Callable[P, R]) -> Callable[P, R]:
        @wraps(read)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            return reading(str(args[0]), kind, lambda _: read(*args, **kwargs))

        return checked

    return decorate


def unpacked(path: Path) -> BinaryIO:
    """The file, opened, and unpacked where its first bytes are gzip's or bzip2's."""
    with path.open("rb") as file:
        first = file.read(3)
    opener = gzip.open if first[:2] == b"\x1f\x8b" else bz2.open if first == b"BZh" else open
    opened: BinaryIO = opener(path, "rb")  # type: ignore[operator, assignment]
    return opened


@_named("idx")
def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """An IDX file of unsigned bytes, plain or packed, MNIST's format: magic 0, 0, 8, dimensions; sizes; data.

    Returns:
        uint8 array with ``dimensions`` axes.
    """
    with unpacked(path) as file:
        magic = file.read(4)
        if magic != bytes([0, 0, 8, dimensions]):
            raise ValueError(f"magic number {magic.hex()}, expected 000008{dimensions:02x}")
        shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
        found = mapped.read(file, shape)
        if file.read(1):
            raise ValueError(f"more bytes than its header says ({found.size})")
    return found


@_named("MATLAB .mat")
def read_mat(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A MATLAB 5 file with ``X`` (H, W, C, N) of bytes and ``y`` (N), SVHN's format, in which 10 means the digit 0.

    Returns:
        uint8 pixels (N, H, W, C) and int64 labels (N,).
    """
    held = matlab.variables(path)
    if missing := [name for name in ("X", "y") if name not in held]:
        raise ValueError(f"no array {missing[0]}; found {', '.join(sorted(held)) or 'none'}")
    pixels, labels = held["X"].read(), held["y"].read().ravel()
    if pixels.ndim != 4 or pixels.dtype != np.uint8 or pixels.shape[2] not in (1, 3):
        raise ValueError(f"X is {pixels.dtype} {pixels.shape}, expected uint8 (height, width, channels, images)")
    if len(labels) != pixels.shape[3]:
        raise ValueError(f"{pixels.shape[3]} images but {len(labels)} labels")
    return mapped.contiguous(pixels.transpose(3, 0, 1, 2)), digits(labels) % 10


def digits(labels: np.ndarray, low: int = 0, high: int = 10) -> np.ndarray:
    """Labels as int64. Raises ValueError for one that is not a whole number from ``low`` to ``high``."""
    whole = labels.astype(np.int64)
    wrong = (whole != labels) | (whole < low) | (whole > high)
    if wrong.any():
        raise ValueError(f"label {labels[wrong][0]}, expected whole numbers from {low} to {high}")
    return whole
