"""Glass blur: neighbouring pixels are displaced at random between two slight Gaussian blurs."""

from __future__ import annotations

import numpy as np

from lbt.edge.corruptions import relative
from lbt.edge.corruptions._image import gaussian
from lbt.edge.draws import Draws

SEVERITIES = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))
"""σ of the blur and reach of a displacement in pixels, and number of displacements."""


def corrupt(pixels: np.ndarray, setting: tuple[float, int, int], draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same.

    The published loop means to swap two pixels and in effect copies one of those above or left of it, which it has not
    changed yet: all displacements of a round are independent.
    """
    sigma, reach, rounds = setting
    scale = relative(pixels)
    reach = max(1, round(reach * scale))
    _, height, width, _ = pixels.shape
    pixels = np.floor(gaussian(pixels, sigma * scale) * 255) / 255  # the published code goes through bytes
    image = np.arange(len(pixels))[:, None, None]
    y, x = np.arange(reach + 1, height - reach + 1), np.arange(reach + 1, width - reach + 1)
    y, x = y[y < height], x[x < width]
    for _ in range(rounds):
        moved = np.floor(draws.uniform(len(y), len(x), 2) * 2 * reach).astype(int) - reach
        from_y = (y[:, None] + moved[..., 0]).clip(0, height - 1)
        from_x = (x[None, :] + moved[..., 1]).clip(0, width - 1)
        pixels[:, y[:, None], x[None, :]] = pixels[image, from_y, from_x]
    return gaussian(pixels, sigma * scale)
