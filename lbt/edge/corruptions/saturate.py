"""Saturate: colours fade (severity 1 and 2) or glow (3 to 5); an extra beside the fifteen."""

from __future__ import annotations

import numpy as np

from lbt.edge.draws import Draws
from lbt.errors import LbtError

SEVERITIES = ((0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2))
"""Factor of the saturation, and what is added to it."""


def corrupt(pixels: np.ndarray, setting: tuple[float, float], draws: Draws) -> np.ndarray:
    """(N, H, W, 3) float64 in [0, 1] → the same.

    Raises:
        LbtError: grey images, which have no saturation.
    """
    if pixels.shape[3] == 1:
        raise LbtError("saturate: found images of 1 channel; accepted: 3 channels")
    from skimage.color import hsv2rgb, rgb2hsv

    changed = rgb2hsv(pixels)
    changed[..., 1] = (changed[..., 1] * setting[0] + setting[1]).clip(0, 1)
    found: np.ndarray = hsv2rgb(changed)
    return found
