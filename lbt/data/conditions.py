"""One photo task under several imaging conditions: which of the embedded photos is a patch from?

Train, validation and test patches come from different tiles of the photos (lbt/data/photos.py), the same ones in every
condition, so that what one domain is tested on was never seen in another. Each patch is cut with a random zoom.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from lbt.artifacts import Images
from lbt.data.photos import PHOTOS, crop, tiles
from lbt.data.splits import Splits

PLAIN = ("astronaut", "rocket")
"""Left out: most of their patches are an even sky or a dark wall, and could be from anywhere."""
CLASSES = tuple(sorted(set(PHOTOS) - set(PLAIN)))
SIZE = 32
COUNTS = {"train": 160, "validation": 32, "test": 32}
"""Patches per class."""
ZOOMS = (40, 48, 56)
"""Sides of the cut patches, in pixels, before they are scaled to SIZE."""

Condition = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""float64 patches (N, SIZE, SIZE, 3) in [0, 1] → the same under the condition; values may leave [0, 1]."""


def photo_task(condition: Condition, seed: int) -> Splits:
    """The patches of every class under one condition: 1,600 / 320 / 320."""
    train, validation, test = (_patches(part, count, condition, seed) for part, count in COUNTS.items())
    return Splits(train, validation, test)


def _patches(part: str, count: int, condition: Condition, seed: int) -> Images:
    generator = np.random.default_rng([seed, *part.encode()])
    patches = []
    for name in CLASSES:
        sides = generator.choice(ZOOMS, size=count)
        for side in sides:
            patch = crop(tiles(name, part), 1, int(side), generator)[0]
            patches.append(np.asarray(Image.fromarray(patch).resize((SIZE, SIZE), Image.Resampling.BILINEAR)))
    labels = np.repeat(np.arange(len(CLASSES)), count)
    order = generator.permutation(len(labels))
    pixels = condition(np.stack(patches)[order] / 255, generator)
    return Images(np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8), labels[order].astype(np.int64), CLASSES)
