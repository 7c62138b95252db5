"""Do similar images have the same class? Evidence on predictions that no network's confidence enters.

A labelling that is right agrees among images that look alike; one that is wrong, however sure, cuts through them (Saito
et al., "Tune it the right way", arXiv 2108.10860, in a network's features; here in pixels, which favour no network).
Agreement is counted beyond chance, as Cohen's kappa: one class for everything agrees by chance alone.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lbt.train.batches import Examples

AMONG = 1000
"""Images that are compared with each other, at most."""
NEAREST = 10
"""Neighbours of an image."""
SIDE = 32
"""Pixels that larger images are averaged to, each way."""
PART = 50
"""Images that are in memory at once in their own size."""


def among(*sets: Examples) -> tuple[Tensor, Tensor]:
    """Places of at most ``AMONG`` images of ``sets``, one set after the other, and the neighbours of each.

    Returns:
        Places among all images, int64 (N,), ascending; the ``NEAREST`` of these N for each, int64 (N, M).
    """
    index, first, images = spread(sum(map(len, sets))), 0, []
    for one in sets:
        images.append(small(one, index[(index >= first) & (index < first + len(one))] - first))
        first += len(one)
    return index, nearest(torch.cat(images))


def spread(count: int) -> Tensor:
    """At most ``AMONG`` of ``count`` positions, int64, evenly spread."""
    most = min(count, AMONG)
    return torch.arange(most) * count // max(1, most)


def small(examples: Examples, index: Tensor) -> Tensor:
    """The images at ``index`` (int64, (M,)), float32 (M, C, H, W) with at most ``SIDE`` pixels each way."""
    return torch.cat([_averaged(examples.take(part).whole) for part in index.split(PART)])


def _averaged(images: Tensor) -> Tensor:
    height, width = images.shape[2:]
    size = min(SIDE, height), min(SIDE, width)
    return images if size == (height, width) else functional.adaptive_avg_pool2d(images, size)


def nearest(images: Tensor) -> Tensor:
    """The ``NEAREST`` images that correlate most with each, or as many as there are, int64 (N, M).

    Args:
        images: (N, C, H, W), float.
    """
    pixels = images.flatten(1) - images.flatten(1).mean(1, keepdim=True)
    pixels = pixels / pixels.norm(dim=1, keepdim=True).clamp_min(1e-9)
    likeness = (pixels @ pixels.T).fill_diagonal_(-torch.inf)
    return likeness.topk(min(NEAREST, len(images) - 1)).indices


def order(classes: Tensor, neighbours: Tensor) -> float:
    """Cohen's kappa of each image's class with those of its neighbours: 0 by chance, 1 if all agree.

    Args:
        classes: int64 (N,).
        neighbours: int64 (N, M), see :func:`nearest`; none: 0.
    """
    if not neighbours.numel():
        return 0.0
    agreed = (classes[neighbours] == classes[:, None]).double().mean().item()
    chance = (torch.bincount(classes).double() / len(classes)).square().sum().item()
    return (agreed - chance) / (1 - chance) if chance < 1 else 0.0
