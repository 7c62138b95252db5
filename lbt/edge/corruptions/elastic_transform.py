"""Elastic transform: a random affine map of the image, then a smooth random displacement of its pixels."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from lbt.edge.corruptions._image import sampled
from lbt.edge.draws import Draws

SEVERITIES = ((0.0, 0.0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))
"""Amplitude and σ of the displacement, and reach of the affine map's three points, as shares of the side."""


def corrupt(pixels: np.ndarray, setting: tuple[float, float, float], draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same."""
    height, width = pixels.shape[1:3]
    amplitude, sigma, reach = (share * min(height, width) for share in setting)
    y, x = (axis.astype(float) for axis in np.mgrid[:height, :width])
    maps = affine(height, width, reach, draws)
    ones = np.stack([x, y, np.ones_like(x)], -1)  # (H, W, 3)
    places = np.einsum("hwk,nkc->nhwc", ones, maps)
    pixels = sampled(pixels, places[..., 1], places[..., 0], around=True)
    field = draws.between(-1, 1, height, width, 2)
    field = amplitude * ndimage.gaussian_filter(field, (0, sigma, sigma, 0), mode="reflect", truncate=3)
    return sampled(pixels, y + field[..., 1], x + field[..., 0], around=False)


def affine(height: int, width: int, reach: float, draws: Draws) -> np.ndarray:
    """Maps (N, 3, 2) from (x, y, 1) in the result to (x, y) in the image: three points move by up to ``reach``."""
    middle, third = np.array([width // 2, height // 2], float), min(height, width) // 3
    points = middle + third * np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    moved = points + draws.between(-reach, reach, 3, 2)
    homogeneous = np.concatenate([moved, np.ones((len(draws), 3, 1))], -1)
    found: np.ndarray = np.linalg.solve(homogeneous, np.broadcast_to(points, (len(draws), 3, 2)))
    return found
