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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lbt.data import audio
from lbt.data.depth import Extent, to_uint8
from lbt.data.listing import Decoded
from lbt.progress import track

SIZE = 64
"""Side of the images where they have no size in common."""
NATIVE = range(8, 129)
"""Sides that images of one size keep."""

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
    """The header of an encoded image: its size in pixels, and whether it is grey."""

    size: tuple[int, int]
    grey: bool


def decode(
    sources: Sequence[Callable[[], bytes | Path | None]], names: Sequence[str], size: int | None, where: str
) -> Decoded:
    """All images as one array.

    Args:
        sources: give a file, or the bytes of one; None where there is none.
        names: their names, for what is skipped.
        size: side of the squares in pixels; None: as the module says.
        where: the path, for messages.
    """
    heads = [_head(source()) for source in sources]
    found = [head for head in heads if head is not None]
    grey = bool(found) and all(head.grey for head in found)
    side = size or _common(found)
    images: list[np.ndarray] = []
    kept, deep, extent = [], [], None
    for index, source in track(list(enumerate(sources)), f"reading {Path(where).name}"):
        image = _read(source()) if heads[index] is not None else None
        if image is None:
            continue
        if image.mode in _DEEP:
            own = np.asarray(image)
            if not np.isfinite(own).all():
                continue
            extent = Extent.of(own, where) if extent is None else extent | Extent.of(own, where)
            deep.append(len(images))
        images.append(_square(image, side, grey))
        kept.append(index)
    notes: tuple[str, ...] = ()
    if deep:
        scaled, notes = to_uint8(np.stack([images[n] for n in deep]), f"{where}: {len(deep)} images", extent)
        for place, pixels in zip(deep, scaled, strict=True):
            images[place] = pixels
    channels = 1 if grey else 3
    pixels = np.empty((len(images), side, side, channels), np.uint8)
    for place, square in enumerate(images):
        pixels[place] = square  # a grey image is repeated in three channels
    unread = [names[index] for index in sorted(set(range(len(sources))) - set(kept))]
    return Decoded(pixels, np.array(kept, np.int64), {"not a readable image": unread} if unread else {}, notes)


def _common(heads: Sequence[Head]) -> int:
    sizes = {head.size for head in heads}
    width, height = next(iter(sizes)) if len(sizes) == 1 else (0, 0)
    return width if width == height and width in NATIVE else SIZE


def _opened(source: bytes | Path) -> Image.Image:
    if audio.is_wave(source):
        return Image.fromarray(audio.spectrogram(source))
    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=readable())


def _head(source: bytes | Path | None) -> Head | None:
    """The header; None if it cannot be read, or tells of an image far larger than any photo."""
    try:
        if source is None:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with _opened(source) as image:
                grey = image.mode in _GREY or image.mode in _DEEP or image.mode.startswith("I;16")
                return Head(image.size, grey)
    except Exception:  # decoders raise anything on a damaged file
        return None


def _read(source: bytes | Path | None) -> Image.Image | None:
    """The image, upright, in mode L, RGBA, or F (more than 8 bits); None if it cannot be read."""
    try:
        if source is None:
            return None
        with _opened(source) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode in _DEEP or upright.mode.startswith("I;16"):
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
