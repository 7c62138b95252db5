"""Motion blur: the camera moves along a line, whose angle is drawn for each image from -45° to 45°."""

from __future__ import annotations

import numpy as np

from lbt.edge.corruptions import relative
from lbt.edge.corruptions._image import motion
from lbt.edge.draws import Draws

SEVERITIES = ((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5))
"""Radius and σ of the smear, in pixels."""


def corrupt(pixels: np.ndarray, setting: tuple[float, float], draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same."""
    radius, sigma = (length * relative(pixels) for length in setting)
    return motion(pixels, radius, sigma, draws.between(-45, 45))
