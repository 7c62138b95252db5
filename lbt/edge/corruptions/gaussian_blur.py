"""Gaussian blur; an extra beside the fifteen."""

from __future__ import annotations

import numpy as np

from lbt.edge.corruptions import relative
from lbt.edge.corruptions._image import gaussian
from lbt.edge.draws import Draws

SEVERITIES = (0.4, 0.6, 0.7, 0.8, 1.0)
"""σ in pixels."""


def corrupt(pixels: np.ndarray, setting: float, draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same."""
    return gaussian(pixels, setting * relative(pixels))
