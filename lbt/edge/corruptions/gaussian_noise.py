"""Gaussian noise: x + N(0, σ) in each value."""

from __future__ import annotations

import numpy as np

from lbt.edge.draws import Draws

SEVERITIES = (0.04, 0.06, 0.08, 0.09, 0.10)
"""σ, with pixels from 0 to 1."""


def corrupt(pixels: np.ndarray, setting: float, draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same, possibly outside of [0, 1]."""
    return pixels + setting * draws.normal(*pixels.shape[1:])
