"""Digits over natural photos (see lbt/data/domains/mnistm.py)."""

from __future__ import annotations

import numpy as np

from lbt.artifacts import Images
from lbt.data.photos import PHOTOS, crop, tiles
from lbt.data.splits import Splits

DARK = "galaxies"
"""Left out: over a black sky a blended digit is the MNIST digit itself."""


def blend(digits: Splits, seed: int) -> Splits:
    """|patch − digit| per channel; patches of a split come from the photos' tiles of the same split."""
    return digits.map(lambda name, images: _blend(images, name, seed))


def _blend(digits: Images, split: str, seed: int) -> Images:
    generator = np.random.default_rng([seed, *split.encode()])
    pool = np.concatenate([tiles(name, split) for name in PHOTOS if name != DARK])
    patches = crop(pool, len(digits), digits.pixels.shape[1], generator)
    pixels = np.abs(patches.astype(np.int16) - digits.pixels).astype(np.uint8)
    return Images(pixels, digits.labels, digits.classes)
