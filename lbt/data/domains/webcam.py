"""Photo patches as from a webcam: blurred, colour cast, uneven light, noise. 10 classes, 1,600 / 320 / 320, 32×32.

A small stand-in for Office-31's webcam domain; see lbt/data/conditions.py for the task.
"""

from __future__ import annotations

import numpy as np

from lbt.data.conditions import CLASSES as CLASSES
from lbt.data.conditions import SIZE, photo_task
from lbt.data.params import DomainSpec
from lbt.data.splits import Splits


def load(spec: DomainSpec) -> Splits:
    """The patches, drawn with the spec's seed."""
    return photo_task(_webcam, spec.seed)


def _webcam(patches: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    count = len(patches)
    halves = patches.reshape(count, SIZE // 2, 2, SIZE // 2, 2, 3).mean(axis=(2, 4))  # half the resolution
    blurred = halves.repeat(2, axis=1).repeat(2, axis=2)
    for axis in (1, 2):
        blurred = (np.roll(blurred, 1, axis) + 2 * blurred + np.roll(blurred, -1, axis)) / 4
    grey = blurred.mean(axis=3, keepdims=True)
    faded = grey + generator.uniform(0.3, 0.7, (count, 1, 1, 1)) * (blurred - grey)
    cast = generator.uniform((0.75, 0.7, 0.5), (1.05, 0.95, 0.85), (count, 3))[:, None, None]  # warm indoor light
    ramp = np.linspace(-0.5, 0.5, SIZE)
    light = (
        1
        + generator.uniform(-0.6, 0.6, (count, 1, 1)) * ramp
        + generator.uniform(-0.6, 0.6, (count, 1, 1)) * ramp[:, None]
    )
    exposed = 0.15 + generator.uniform(0.4, 0.75, (count, 1, 1, 1)) * faded * cast * light[..., None]
    return exposed + generator.normal(0, 0.04, exposed.shape)
