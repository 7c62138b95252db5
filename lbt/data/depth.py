"""Pixels of any type → 8 bits, by their range, which is told.

One range holds for all images of a set: an image that is darker than the others stays darker.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lbt import mapped
from lbt.errors import LbtError


@dataclass(frozen=True)
class Extent:
    """Least and largest value of pixels, and whether all are whole numbers."""

    low: float
    high: float
    whole: bool

    @classmethod
    def of(cls, pixels: np.ndarray, where: str) -> Extent:
        """Of an array of numbers.

        Raises:
            LbtError: a value is NaN or infinite.
        """
        low, high = float(pixels.min()), float(pixels.max())
        pieces = [pixels[part] for part in mapped.parts(len(pixels), pixels[:1].nbytes)]
        if not np.isfinite([low, high]).all():
            image = pixels[first := _first_not_finite(pieces)]
            raise LbtError(f"{where}: image {first} holds {image[~np.isfinite(image)][0]}; accepted: finite numbers")
        whole = pixels.dtype.kind in "biu" or all(bool((piece == np.round(piece)).all()) for piece in pieces)
        return cls(low, high, whole)

    def __or__(self, other: Extent) -> Extent:
        return Extent(min(self.low, other.low), max(self.high, other.high), self.whole and other.whole)

    def span(self, wide: bool) -> tuple[float, float, str]:
        """The values that become 0 and 255, and a line that says why (empty for plain bytes and floats from 0 to 1).

        Args:
            wide: the pixels are fractions, for which 0 to 1 is a matter of course.
        """
        found = f"pixels are from {self.low:g} to {self.high:g}"
        if self.low >= 0 and self.high <= 1:
            return 0, 1, "" if wide else f"{found}: taken as masks, 1 becomes 255"
        if self.whole and self.low >= 0:
            bits = max(8, int(self.high).bit_length())
            return 0, 2**bits - 1, f"{found}: taken as {bits}-bit numbers"
        if self.low >= -1 and self.high <= 1:
            return -1, 1, f"{found}: -1 becomes 0, 1 becomes 255"
        return self.low, self.high, f"{found}: the least becomes 0, the largest 255"


def _first_not_finite(pieces: Iterable[np.ndarray]) -> int:
    """Number of the first image that holds NaN or an infinite value."""
    start = 0
    for piece in pieces:
        if not (finite := np.isfinite(piece)).all():
            return start + int(np.argwhere(~finite)[0][0])
        start += len(piece)
    return start


def to_uint8(pixels: np.ndarray, where: str, extent: Extent | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """The pixels as uint8, contiguous, and lines on what was done.

    Args:
        pixels: numbers of any type and shape; bytes with values over 1 stay as they are.
        where: the path, for messages.
        extent: range of the values before something (a resize) blurred it. Default: that of ``pixels``.

    Raises:
        LbtError: no numbers, or NaN or infinite ones.
    """
    if pixels.dtype.kind not in "biuf":
        raise LbtError(f"{where}: images are {pixels.dtype}; accepted: numbers")
    if not pixels.size:
        return pixels.astype(np.uint8), ()
    extent = extent or Extent.of(pixels, where)
    if pixels.dtype == np.uint8 and extent.high > 1:
        return mapped.contiguous(pixels), ()
    low, high, note = extent.span(pixels.dtype.kind == "f" and not extent.whole)

    def rows(part: slice) -> np.ndarray:
        found = np.empty(pixels[part].shape, np.uint8)
        for piece in mapped.parts(len(found), 8 * found[:1].size):  # float64 would be eight times a part
            stretched = (pixels[part][piece].astype(np.float64) - low) * (255 / (high - low or 1))
            found[piece] = np.round(np.clip(stretched, 0, 255))
        return found

    scaled = mapped.made(pixels.shape, np.uint8, rows, "scaling")
    return scaled, ((f"{where}: {note}",) if note and extent.high > extent.low else ())
