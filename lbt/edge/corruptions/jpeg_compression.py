"""JPEG compression of low quality."""

from __future__ import annotations

import numpy as np

from lbt.edge.corruptions._image import by_pillow, jpeg
from lbt.edge.draws import Draws

SEVERITIES = (80, 65, 58, 50, 40)
"""Quality, as Pillow counts it."""


def corrupt(pixels: np.ndarray, setting: int, draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same."""
    return by_pillow(pixels, lambda image: jpeg(image, setting))
