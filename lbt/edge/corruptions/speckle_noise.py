"""Speckle noise: x + x·N(0, σ) in each value; an extra beside the fifteen."""

from __future__ import annotations

import numpy as np

from lbt.edge.draws import Draws

SEVERITIES = (0.06, 0.1, 0.12, 0.16, 0.2)
"""σ, with pixels from 0 to 1."""


def corrupt(pixels: np.ndarray, setting: float, draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same, possibly outside of [0, 1]."""
    return pixels * (1 + setting * draws.normal(*pixels.shape[1:]))
