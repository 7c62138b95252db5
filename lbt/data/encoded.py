"""Encoded images (PNG, JPEG, …) of any size and mode → one array.

Each becomes a square: its middle, turned as EXIF says, transparency laid on white. Where no size is asked for, images
that are all squares of one size (8 to 128 pixels) keep it, and others become 64×64. They are grey if all are, and
colour otherwise. Images of more than 8 bits are scaled by the range of all of them (:mod:`lbt.data.depth`). Recordings
(WAV) are images of their spectrum (:mod:`lbt.data.audio`).
"""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lbt import mapped
from lbt.data import audio
from lbt.data.depth import Extent, to_uint8
from lbt.data.listing import Decoded
from lbt.progress import track

SIZE = 64
"""Side of the images where they have no size in common."""
NATIVE = range(8, 129)
"""Sides that images of one size keep."""
MANY = 10_000
"""Images whose headers take long enough for a progress of their own."""

FORMATS = {
    "PNG": ".png .apng", "JPEG": ".jpg .jpeg .jpe .jfif", "MPO": ".mpo", "BMP": ".bmp .dib", "GIF": ".gif",
    "TIFF": ".tif .tiff", "WEBP": ".webp", "PPM": ".ppm .pgm .pbm .pnm", "TGA": ".tga", "AVIF": ".avif .avifs",
    "JPEG2000": ".jp2 .j2k .jpx", "HEIF": ".heic .heif",
}  # fmt: skip
"""Pillow's formats of photos, and their suffixes. No others are tried: some run programs of the system."""
SUFFIXES = {suffix: name for name, suffixes in FORMATS.items() for suffix in suffixes.split()}
_GREY, _DEEP = ("1", "L", "LA", "La"), ("I", "F")


@cache
def readable() -> tuple[str, ...]:
    """Those of ``FORMATS`` that Pillow can read here."""
    with contextlib.suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def why_not(suffix: str) -> str:
    """The reason why a file with this suffix is no image that can be read; empty if it may be one."""
    if suffix.lower() in audio.SUFFIXES:
        return ""
    name = SUFFIXES.get(suffix.lower())
    if name is None:
        return f"no image by its suffix {suffix}" if suffix else "no suffix"
    if name in readable():
        return ""
    return f"{suffix} needs pillow-heif: pip install pillow-heif" if name == "HEIF" else f"{suffix}: not in this Pillow"


@dataclass(frozen=True)
class Head:
    """The header of an encoded image.

    Attributes:
        size: width and height in pixels.
        grey: True for an image without colours.
        deep: True for one of more than 8 bits.
    """

    size: tuple[int, int]
    grey: bool
    deep: bool


def decode(sources: Iterable[bytes | Path | None], names: Sequence[str], size: int | None, where: str) -> Decoded:
    """All images as one array.

    Args:
        sources: files, or the bytes of files; None where there is none. Gone through twice.
        names: their names, for what is skipped.
        size: side of the squares in pixels; None: as the module says.
        where: the path, for messages.
    """
    heads = _heads(sources, len(names), where)
    found = {head for head in heads if head is not None}
    grey = bool(found) and all(head.grey for head in found)
    side = size or _common(found)
    room = sum(head is not None for head in heads)
    pixels = mapped.empty((room, side, side, 1 if grey else 3))
    deep = _Deep(sum(head is not None and head.deep for head in heads), side, where)
    kept: list[int] = []
    several = len(names) > 1  # a device that serves images one by one would fill its log with bars
    shown = track(sources, f"reading {Path(where).name}", len(names)) if several else sources
    for index, source in enumerate(shown):
        head = heads[index]
        image = _read(source) if head is not None else None
        if head is None or image is None or (image.mode in _DEEP) != head.deep:
            continue
        if not head.deep:
            pixels[len(kept)] = _square(image, side, grey)  # a grey image is repeated in three channels
        elif not deep.add(image, len(kept)):
            continue
        kept.append(index)
    pixels = pixels[: len(kept)]
    notes = deep.write(pixels)
    unread = [names[index] for index in sorted(set(range(len(names))) - set(kept))]
    return Decoded(pixels, np.array(kept, np.int64), {"not a readable image": unread} if unread else {}, notes)


def _heads(sources: Iterable[bytes | Path | None], count: int, where: str) -> list[Head | None]:
    known: dict[Head, Head] = {}  # headers are alike: a million of them share a few objects
    shown = track(sources, f"looking at {Path(where).name}", count) if count >= MANY else sources
    return [head and known.setdefault(head, head) for head in map(_head, shown)]


class _Deep:
    """Images of more than 8 bits, which are scaled when the range of all of them is known."""

    def __init__(self, count: int, side: int, where: str) -> None:
        self.values = mapped.empty((count, side, side, 1), np.float32)
        self.places: list[int] = []
        self.extent: Extent | None = None
        self.side, self.where = side, where

    def add(self, image: Image.Image, place: int) -> bool:
        """Keep an image for the position ``place``; False if a value of it is not finite."""
        own = np.asarray(image)
        if not np.isfinite(own).all():
            return False
        extent = Extent.of(own, self.where)
        self.extent = extent if self.extent is None else self.extent | extent
        self.values[len(self.places)] = _square(image, self.side, True)
        self.places.append(place)
        return True

    def write(self, pixels: np.ndarray) -> tuple[str, ...]:
        """Put the images at their places, scaled; return lines on how they were scaled."""
        if not self.places:
            return ()
        values = self.values[: len(self.places)]
        scaled, notes = to_uint8(values, f"{self.where}: {len(values)} images", self.extent)
        for place, one in zip(self.places, scaled, strict=True):
            pixels[place] = one
        return notes


def decode_set(sources: Iterable[bytes | Path | None], names: Sequence[str], size: int | None, where: str) -> Decoded:
    """The images of a set (see :func:`decode`); masks, of which no pixel is over 1, become black and white."""
    found = decode(sources, names, size, where)
    if found.notes or not found.pixels.size or int(found.pixels.max()) != 1:
        return found
    for part in mapped.parts(len(found.pixels), found.pixels[0].nbytes):
        found.pixels[part] *= 255
    return replace(found, notes=(f"{where}: pixels are from 0 to 1: taken as masks, 1 becomes 255",))


def _common(heads: Collection[Head]) -> int:
    sizes = {head.size for head in heads}
    width, height = next(iter(sizes)) if len(sizes) == 1 else (0, 0)
    return width if width == height and width in NATIVE else SIZE


def _opened(source: bytes | Path) -> Image.Image:
    if audio.is_wave(source):
        return Image.fromarray(audio.spectrogram(source))
    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=readable())


def _is_deep(image: Image.Image) -> bool:
    return image.mode in _DEEP or image.mode.startswith("I;16")


def _head(source: bytes | Path | None) -> Head | None:
    """The header; None if it cannot be read, or tells of an image far larger than any photo."""
    try:
        if source is None:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with _opened(source) as image:
                deep = _is_deep(image)
                return Head(image.size, image.mode in _GREY or deep, deep)
    except Exception:  # decoders raise anything on a damaged file
        return None


def _read(source: bytes | Path | None) -> Image.Image | None:
    """The image, upright, in mode L, RGBA, or F (more than 8 bits); None if it cannot be read."""
    try:
        if source is None:
            return None
        with _opened(source) as image:
            upright = ImageOps.exif_transpose(image)
            if _is_deep(upright):
                return upright.convert("I").convert("F") if upright.mode != "F" else upright.copy()
            return upright.convert("L" if upright.mode in ("1", "L") else "RGBA")
    except Exception:
        return None


def _square(image: Image.Image, side: int, grey: bool) -> np.ndarray:
    """(side, side, 1 or 3): uint8, or float32 in the values of an image of more than 8 bits."""
    if image.mode == "RGBA":
        flat = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = flat.convert("L" if grey else "RGB")
    fitted = np.asarray(ImageOps.fit(image, (side, side), Image.Resampling.BILINEAR))
    return fitted if fitted.ndim == 3 else fitted[..., None]
