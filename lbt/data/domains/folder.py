"""A tree of images with one folder per class, such as Office-31's ``amazon/images``: 70 % / 15 % / 15 % per class.

Images of any size and mode become square colour images: the middle square, scaled to ``size`` (default 64). A folder
called ``_unlabelled`` holds images without labels; they are used for training only. A file with an image's suffix that
cannot be read is skipped and counted; files with other suffixes, and hidden ones, are no images.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lbt.artifacts import Images
from lbt.data.params import DomainSpec
from lbt.data.splits import Splits, split
from lbt.errors import LbtError, unknown
from lbt.progress import track

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
UNLABELLED = "_unlabelled"
SIZE = 64


def load(spec: DomainSpec) -> Splits:
    """The images under ``spec.path``."""
    root = Path(spec.path or "")
    if not root.is_dir():
        raise LbtError(f"{root}: no such folder; expected one folder per class in it")
    folders = sorted(f for f in root.iterdir() if f.is_dir() and not f.name.startswith("."))
    names = [f.name for f in folders if f.name != UNLABELLED]
    for name in spec.classes or []:
        if name not in names:
            raise unknown("class", name, names, str(root))
    classes = tuple(spec.classes or names)
    if len(classes) < 2:
        raise LbtError(f"{root}: found {len(classes)} class folders; expected at least 2")
    files = {name: _files(root / name) for name in (*classes, UNLABELLED)}
    pixels, labels, skipped = [], [], []
    listed = [(path, -1 if name == UNLABELLED else classes.index(name)) for name in files for path in files[name]]
    for path, label in track(listed, f"reading {root.name}"):
        image = read_square(path, spec.size or SIZE)
        if image is None:
            skipped.append(path.relative_to(root).as_posix())
        else:
            pixels.append(image)
            labels.append(label)
    found = np.array(labels, np.int64)
    for label, name in enumerate(classes):
        if not (found == label).any():
            raise LbtError(f"{root / name}: class {name} is empty: none of its {len(files[name])} images can be read")
    splits = split(Images(np.stack(pixels), found, classes), validation=0.15, test=0.15)
    return Splits(splits.train, splits.validation, splits.test, tuple(skipped))


def _files(folder: Path) -> list[Path]:
    """The images below a folder, in an order that does not depend on the file system."""
    found = folder.rglob("*") if folder.is_dir() else []
    return sorted(p for p in found if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file())


def read_square(source: Path | bytes, size: int) -> np.ndarray | None:
    """The middle square of an encoded image as uint8 (size, size, 3); None if it cannot be read.

    Turned as its EXIF orientation says; transparency is laid on white.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # far larger than any photo: not an image
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                upright = ImageOps.exif_transpose(image).convert("RGBA")
    except Exception:  # decoders raise anything on a damaged file
        return None
    flat = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")
    return np.asarray(ImageOps.fit(flat, (size, size), Image.Resampling.BILINEAR))
