"""Impulse noise: a share of the values becomes black or white, each half of the time (salt and pepper)."""

from __future__ import annotations

import numpy as np

from lbt.edge.draws import Draws

SEVERITIES = (0.01, 0.02, 0.03, 0.05, 0.07)
"""Share of the values that are lost."""


def corrupt(pixels: np.ndarray, setting: float, draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same."""
    lost, salt = draws.uniform(*pixels.shape[1:]) <= setting, draws.uniform(*pixels.shape[1:]) > 0.5
    return np.where(lost, salt.astype(float), pixels)
