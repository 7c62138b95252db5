"""Photo patches as in a shop's catalogue: well lit, sharp, in a white frame. 10 classes, 1,600 / 320 / 320, 32×32.

A small stand-in for Office-31's amazon domain; see lbt/data/conditions.py for the task.
"""

from __future__ import annotations

import numpy as np

from lbt.data.conditions import CLASSES as CLASSES
from lbt.data.conditions import SIZE, photo_task
from lbt.data.params import DomainSpec
from lbt.data.splits import Splits


def load(spec: DomainSpec) -> Splits:
    """The patches, drawn with the spec's seed."""
    return photo_task(_catalogue, spec.seed)


def _catalogue(patches: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    low, high = np.quantile(patches, (0.02, 0.98), axis=(1, 2, 3), keepdims=True)
    lit = 0.1 + 0.85 * (patches - low) / np.maximum(high - low, 0.2)
    border = generator.integers(1, 4, size=len(patches))[:, None, None]  # width in pixels
    distance = np.minimum(np.arange(SIZE), np.arange(SIZE)[::-1])
    frame = np.minimum(distance[:, None], distance)[None] < border  # (N, SIZE, SIZE)
    return np.where(frame[..., None], 1.0, lit)
