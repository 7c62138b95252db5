"""Continual: one corruption after another, each over all images in random order; nothing is reset in between.

The protocol of CoTTA (Wang et al. 2022, arXiv 2203.13591, section 4).
"""

from __future__ import annotations

import numpy as np

from lbt.edge.streams import Order, Setting, one_after_another


def order(setting: Setting) -> Order:
    """A permutation of all images for each corruption."""
    random = np.random.default_rng([setting.seed, 0])
    return one_after_another([random.permutation(len(setting.labels)) for _ in range(setting.corruptions)])
