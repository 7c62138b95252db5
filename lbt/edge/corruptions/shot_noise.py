"""Shot noise: the number of photons is Poisson distributed, Poisson(x·c)/c."""

from __future__ import annotations

import numpy as np
from scipy.special import pdtr

from lbt.edge.draws import Draws

SEVERITIES = (500, 250, 100, 75, 50)
"""Photons c of a white pixel."""


def corrupt(pixels: np.ndarray, setting: float, draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1], multiples of 1/255 → the same, possibly above 1.

    A pixel has one of 256 values, so that the distribution function is a table: row v holds v + P(k ≤ …), the rows one
    after the other ascend, and one search inverts them all.
    """
    most = int(setting + 12 * np.sqrt(setting)) + 12
    levels = np.arange(256)
    table = levels[:, None] + pdtr(np.arange(most), setting * levels[:, None] / 255)
    level = np.rint(pixels * 255).astype(int)
    places = np.searchsorted(table.ravel(), level + draws.uniform(*pixels.shape[1:]))
    return (places - level * most).clip(0, most) / setting
