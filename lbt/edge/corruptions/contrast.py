"""Contrast: each channel's distance from its mean over the image shrinks."""

from __future__ import annotations

import numpy as np

from lbt.edge.draws import Draws

SEVERITIES = (0.75, 0.5, 0.4, 0.3, 0.15)
"""Share of the distance that is left."""


def corrupt(pixels: np.ndarray, setting: float, draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same."""
    means = pixels.mean((1, 2), keepdims=True)
    return (pixels - means) * setting + means
