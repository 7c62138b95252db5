"""Corruptions of severity 1 to 5: one file each, with the constants of CIFAR-10-C (Hendrycks & Dietterich 2019).

A file has ``SEVERITIES``, five settings as published for images of 32 × 32 (``make_cifar_c.py`` of arXiv 1903.12261),
and ``corrupt(pixels, setting, draws)``. Lengths in pixels grow with larger images (:func:`relative`). Random numbers
are keyed by (seed, corruption, image) and the same at each severity. Frost is left out: it pastes published photos that
are not part of any package; so is spatter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from lbt.errors import LbtError
from lbt.registry import Registry

if TYPE_CHECKING:
    import numpy as np

CORRUPTIONS = Registry("corruption", "lbt.edge.corruptions")
CorruptionName = Annotated[str, AfterValidator(CORRUPTIONS.check)]
SIDE = 32
"""Height and width in pixels for which the settings were published."""


def corrupt(pixels: np.ndarray, name: str, severity: int, *, seed: int, index: np.ndarray | None = None) -> np.ndarray:
    """Corrupted copies of images.

    Args:
        pixels: uint8 (N, H, W, C), C = 1 or 3.
        name: a file of ``lbt/edge/corruptions``.
        severity: 1 to 5.
        seed: of the random numbers.
        index: (N,) number of each image, which keys its random numbers; default 0 to N - 1.

    Returns:
        uint8, the same shape.

    Raises:
        LbtError: unknown corruption, a severity or an image that it does not accept.
    """
    import numpy as np

    from lbt.edge.draws import Draws

    module = CORRUPTIONS.load(name)
    if severity not in range(1, 6):
        raise LbtError(f"severity: found {severity!r}; accepted: 1 to 5")
    if pixels.ndim != 4 or pixels.dtype != np.uint8 or pixels.shape[3] not in (1, 3):
        raise LbtError(f"{name}: found {pixels.dtype} {pixels.shape}; accepted: uint8 (N, H, W, C), 1 or 3 channels")
    if not len(pixels):
        return pixels.copy()
    draws = Draws(seed, name, np.arange(len(pixels)) if index is None else index)
    made = module.corrupt(pixels / 255.0, module.SEVERITIES[severity - 1], draws)
    found: np.ndarray = np.rint(np.clip(made, 0, 1) * 255).astype(np.uint8)
    return found


def relative(pixels: np.ndarray) -> float:
    """Side of the images (N, H, W, C) as a multiple of the one that the settings were published for, 1 or more."""
    height, width = pixels.shape[1:3]
    return max(1.0, min(height, width) / SIDE)
