"""Defocus blur: a lens out of focus spreads each point over a disk."""

from __future__ import annotations

import numpy as np

from lbt.edge.corruptions import relative
from lbt.edge.corruptions._image import filtered
from lbt.edge.draws import Draws

SEVERITIES = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1))
"""Radius of the disk, and σ of the 3 × 3 Gaussian that softens its edge, in pixels."""


def corrupt(pixels: np.ndarray, setting: tuple[float, float], draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same."""
    radius, soft = setting[0] * relative(pixels), setting[1]
    return filtered(pixels, disk(radius, soft))


def disk(radius: float, soft: float) -> np.ndarray:
    """The kernel, (k, k), its sum 1."""
    reach = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    hard = (y**2 + x**2 <= radius**2).astype(float)
    edge = np.exp(-(np.arange(-1, 2) ** 2) / (2 * soft**2))
    kernel = filtered(hard[None, :, :, None], np.outer(edge, edge) / edge.sum() ** 2)[0, :, :, 0]
    return kernel / kernel.sum()
