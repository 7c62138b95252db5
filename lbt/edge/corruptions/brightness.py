"""Brightness: the value of hue, saturation and value rises."""

from __future__ import annotations

import numpy as np

from lbt.edge.draws import Draws

SEVERITIES = (0.05, 0.1, 0.15, 0.2, 0.3)
"""Added to the value, which is from 0 to 1."""


def corrupt(pixels: np.ndarray, setting: float, draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same; a grey pixel is its own value."""
    if pixels.shape[3] == 1:
        return pixels + setting
    from skimage.color import hsv2rgb, rgb2hsv

    changed = rgb2hsv(pixels)
    changed[..., 2] = (changed[..., 2] + setting).clip(0, 1)
    found: np.ndarray = hsv2rgb(changed)
    return found
