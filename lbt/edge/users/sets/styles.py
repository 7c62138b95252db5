"""Styles of optdigits as users: 1,797 handwritten digits in five clusters of style, 32 × 32. The clusters are not
writers.

The published set does not say who wrote a digit. The style of an image is its difference from the mean image of its
class; k-means on its first eight principal components makes five groups, which stand for users with different hands.
A group's classes are unequal in number. No times."""

from __future__ import annotations

import numpy as np

from lbt.artifacts import Images
from lbt.data import DomainSpec, load_domain
from lbt.edge.users.people import People

CLUSTERS, COMPONENTS, ROUNDS, SEED = 5, 8, 100, 2026


def load() -> People:
    """The users; a pure function of the embedded digits."""
    parts = [images for _, images in load_domain(DomainSpec(kind="optdigits")).items()]
    pixels, labels = (np.concatenate([getattr(part, name) for part in parts]) for name in ("pixels", "labels"))
    cluster = _clusters(_styles(pixels, labels))
    users = np.array([f"style-{number}" for number in cluster], dtype=object)
    return People(Images(pixels, labels, parts[0].classes), users)


def _styles(pixels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Principal components of the differences from each class's mean, float64 (N, COMPONENTS)."""
    flat = pixels.reshape(len(pixels), -1).astype(np.float64) / 255
    for label in np.unique(labels):
        flat[labels == label] -= flat[labels == label].mean(axis=0)
    _, _, axes = np.linalg.svd(flat, full_matrices=False)
    return flat @ axes[:COMPONENTS].T


def _clusters(points: np.ndarray) -> np.ndarray:
    """k-means by Lloyd's iterations from points that are chosen far apart; numbers by size, the largest first."""
    random = np.random.default_rng(SEED)
    centres = points[random.integers(len(points))][None]
    while len(centres) < CLUSTERS:
        distance = ((points[:, None] - centres[None]) ** 2).sum(2).min(1)
        centres = np.vstack([centres, points[random.choice(len(points), p=distance / distance.sum())]])
    for _ in range(ROUNDS):
        nearest = ((points[:, None] - centres[None]) ** 2).sum(2).argmin(1)
        centres = np.stack([points[nearest == n].mean(axis=0) for n in range(CLUSTERS)])
    order = np.argsort(-np.bincount(nearest, minlength=CLUSTERS), kind="stable")
    return np.argsort(order)[nearest]
