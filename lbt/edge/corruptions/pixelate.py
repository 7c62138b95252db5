"""Pixelate: the image is made smaller and larger again, each pixel the mean of an area."""

from __future__ import annotations

import numpy as np
from PIL import Image

from lbt.edge.corruptions._image import by_pillow
from lbt.edge.draws import Draws

SEVERITIES = (0.95, 0.9, 0.85, 0.75, 0.65)
"""Side of the small image as a share of the side."""


def corrupt(pixels: np.ndarray, setting: float, draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same."""
    box = Image.Resampling.BOX

    def change(image: Image.Image) -> Image.Image:
        small = image.resize((max(1, int(image.width * setting)), max(1, int(image.height * setting))), box)
        return small.resize(image.size, box)

    return by_pillow(pixels, change)
