"""Natural photos that ship inside scikit-image and scikit-learn, cut so that no pixel is in two splits.

Each photo is divided into square tiles; each tile belongs to one split; a patch never crosses its tile's border.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

from lbt.data.packages import package_file
from lbt.data.splits import SPLIT_SEED

TILE = 64
"""Side of a tile, in pixels."""

PHOTOS = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "brick": ("skimage", "data/brick.png"),
    "cat": ("skimage", "data/chelsea.png"),
    "city": ("sklearn", "datasets/images/china.jpg"),
    "coffee": ("skimage", "data/coffee.png"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "galaxies": ("skimage", "data/hubble_deep_field.jpg"),
    "grass": ("skimage", "data/grass.png"),
    "gravel": ("skimage", "data/gravel.png"),
    "motorcycle": ("skimage", "data/motorcycle_left.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "tissue": ("skimage", "data/ihc.png"),
}
"""Name → package and file."""

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}


@cache
def photo(name: str) -> np.ndarray:
    """One photo, uint8 (H, W, 3)."""
    with Image.open(package_file(*PHOTOS[name])) as image:
        return np.asarray(image.convert("RGB"))


@cache
def tiles(name: str, split: str) -> np.ndarray:
    """A photo's tiles that belong to ``split``: uint8 (K, TILE, TILE, 3), the same ones whatever the seed of a run."""
    pixels = photo(name)
    rows, columns = pixels.shape[0] // TILE, pixels.shape[1] // TILE
    grid = pixels[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE, 3).swapaxes(1, 2)
    grid = grid.reshape(rows * columns, TILE, TILE, 3)
    order = np.random.default_rng([SPLIT_SEED, *name.encode()]).permutation(len(grid))
    first = round(len(grid) * SHARES["train"])
    second = round(len(grid) * (SHARES["train"] + SHARES["validation"]))
    part = {"train": order[:first], "validation": order[first:second], "test": order[second:]}[split]
    return grid[np.sort(part)]


def crop(pool: np.ndarray, count: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """Random square patches, half of them mirrored, from tiles (K, T, T, 3): uint8 (count, size, size, 3)."""
    reach = pool.shape[1] - size + 1
    which = generator.integers(len(pool), size=count)
    top, left = generator.integers(reach, size=(2, count))
    rows = top[:, None] + np.arange(size)
    columns = left[:, None] + np.arange(size)
    mirrored = generator.random(count) < 0.5
    columns[mirrored] = columns[mirrored, ::-1]
    return pool[which[:, None, None], rows[:, :, None], columns[:, None, :]]
