"""Snow: flakes fall past a whitened image, blurred along their way."""

from __future__ import annotations

import numpy as np

from lbt.edge.corruptions import relative
from lbt.edge.corruptions._image import luminance, motion, zoomed
from lbt.edge.draws import Draws

SEVERITIES = (
    (0.1, 0.2, 1.0, 0.6, 8, 3, 0.95),
    (0.1, 0.2, 1.0, 0.5, 10, 4, 0.9),
    (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
    (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
    (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
)
"""Mean and σ of the flakes' brightness, their enlargement, the brightness below which there is none, radius and σ of
their smear in pixels, and the share of the image that is not whitened."""


def corrupt(pixels: np.ndarray, setting: tuple[float, ...], draws: Draws) -> np.ndarray:
    """(N, H, W, C) float64 in [0, 1] → the same."""
    mean, spread, enlarged, least, radius, sigma, share = setting
    scale = relative(pixels)
    flakes = zoomed(mean + spread * draws.normal(*pixels.shape[1:3], 1), enlarged)
    flakes = np.floor(np.where(flakes < least, 0, flakes).clip(0, 1) * 255) / 255
    flakes = motion(flakes, radius * scale, sigma * scale, draws.between(-135, -45))
    white = share * pixels + (1 - share) * np.maximum(pixels, luminance(pixels) * 1.5 + 0.5)
    return white + flakes + flakes[:, ::-1, ::-1]
