"""Fog: a bright plasma fractal is added, and the contrast shrinks accordingly."""

from __future__ import annotations

import numpy as np

from lbt.edge.draws import Draws

SEVERITIES = ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))
"""Density, and the decay of the fractal's detail from scale to scale."""


def corrupt(pixels: np.ndarray, setting: tuple[float, float], draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same."""
    density, decay = setting
    _, height, width, _ = pixels.shape
    side = 1 << (max(height, width) - 1).bit_length()
    clouds = plasma(side, decay, draws)[:, :height, :width, None]
    brightest = pixels.max((1, 2, 3), keepdims=True)
    return (pixels + density * clouds) * brightest / (brightest + density)


def plasma(side: int, decay: float, draws: Draws) -> np.ndarray:
    """Height maps (N, side, side) from 0 to 1 by the diamond-square algorithm on a torus; ``side`` a power of two."""
    heights = np.zeros((len(draws), side, side))
    step, wobble = side, 100.0

    def middle(total: np.ndarray) -> np.ndarray:
        return total / 4 + wobble * wobble * draws.between(-1, 1, *total.shape[1:])

    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        rows = corners + np.roll(corners, -1, 1)
        heights[:, half::step, half::step] = middle(rows + np.roll(rows, -1, 2))
        centres = heights[:, half::step, half::step]
        corners = heights[:, ::step, ::step]
        beside = centres + np.roll(centres, 1, 1) + corners + np.roll(corners, -1, 2)
        heights[:, ::step, half::step] = middle(beside)
        above = centres + np.roll(centres, 1, 2) + corners + np.roll(corners, -1, 1)
        heights[:, half::step, ::step] = middle(above)
        step, wobble = half, wobble / decay
    heights -= heights.min((1, 2), keepdims=True)
    return heights / np.maximum(heights.max((1, 2), keepdims=True), 1e-12)
