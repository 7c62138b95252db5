"""Correlated: one corruption after another, and in each the classes arrive in runs.

The images of a class are dealt out to as many slots as there are classes, in shares from a symmetric Dirichlet
distribution; within a slot the classes follow each other in random order (NOTE, Gong et al. 2022, arXiv 2208.05117;
RoTTA, Yuan et al. 2023, arXiv 2303.13899, with a concentration of 0.1).
"""

from __future__ import annotations

import numpy as np

from lbt.edge.streams import Order, Setting, one_after_another
from lbt.errors import LbtError


def order(setting: Setting) -> Order:
    """An order with runs of classes for each corruption.

    Raises:
        LbtError: an image has no label.
    """
    missing = int((setting.labels < 0).sum())
    if missing:
        found = f"{missing} of {len(setting.labels)} images have no label"
        raise LbtError(f"{setting.where}: {found}, but the stream correlated orders them by their class")
    random = np.random.default_rng([setting.seed, 2])
    return one_after_another([_runs(setting, random) for _ in range(setting.corruptions)])


def _runs(setting: Setting, random: np.random.Generator) -> np.ndarray:
    classes = np.unique(setting.labels)
    slots: list[list[np.ndarray]] = [[] for _ in classes]
    for label in classes:
        members = random.permutation(np.flatnonzero(setting.labels == label))
        shares = random.dirichlet(np.full(len(classes), setting.dirichlet))
        ends = (np.cumsum(shares)[:-1] * len(members)).astype(int)
        for slot, part in zip(slots, np.split(members, ends), strict=True):
            slot.append(part)
    return np.concatenate([slot[place] for slot in slots for place in random.permutation(len(slot))])
