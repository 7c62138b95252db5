"""Mixed: all images under all corruptions, shuffled, so that a batch holds several corruptions.

The mixed domains of SAR (Niu et al. 2023, arXiv 2302.12400) and ROID (Marsden et al. 2024, arXiv 2306.00650).
"""

from __future__ import annotations

import numpy as np

from lbt.edge.streams import Order, Setting


def order(setting: Setting) -> Order:
    """A permutation of all pairs of image and corruption."""
    count = len(setting.labels)
    pairs = np.random.default_rng([setting.seed, 1]).permutation(count * setting.corruptions)
    return Order(pairs % count, pairs // count)
