"""Zoom blur: the mean of the image and of its enlargements."""

from __future__ import annotations

import numpy as np

from lbt.edge.corruptions._image import zoomed
from lbt.edge.draws import Draws

SEVERITIES = (1.06, 1.11, 1.16, 1.21, 1.26)
"""Largest enlargement, not reached, in steps of 0.01 from 1."""


def corrupt(pixels: np.ndarray, setting: float, draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same."""
    factors = 1 + 0.01 * np.arange(round((setting - 1) / 0.01))
    total = pixels.copy()
    for factor in factors:
        total += zoomed(pixels, factor)
    return total / (len(factors) + 1)
