"""Targets whose classes are not quite the network's: it does not know some (open set), or some never come (partial).

A labelled image of an unknown class is no error of the network, which cannot name it, and no training label: it is left
out of every accuracy. Its share is told, and the measure in which the network notices it: a threshold on the entropy of
the prediction, or on the margin between the two most probable classes, needs no label, and the area under the curve of
its hits and false alarms (AUROC; 0.5 is chance, 1 a perfect threshold) says how well the two kinds are separated.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lbt.artifacts import UNKNOWN


def class_sets(
    probabilities: Tensor, labels: Tensor, network: Sequence[str], target: Sequence[str]
) -> dict[str, float | int | None]:
    """Metrics on classes that do not match; empty where they do.

    Args:
        probabilities: (N, classes) for the target's test images, of the deployed network.
        labels: (N,) class numbers; -1 for none, ``UNKNOWN`` for a class that is none of the network's.
        network: names of the network's classes.
        target: names of the target's; empty where nobody named one.

    Returns:
        Where images are of an unknown class: ``unknown_images``, ``unknown_share`` of the labelled ones, and
        ``unknown/entropy_auroc`` and ``unknown/margin_auroc`` (None without an image of a known class). Where the
        target names classes and lacks some of the network's: ``absent_share``, the share of its images that are
        predicted to be one of those.
    """
    known, strange = labels >= 0, labels == UNKNOWN
    found: dict[str, float | int | None] = {}
    if strange.any():
        count = int(strange.sum())
        found |= {"unknown_images": count, "unknown_share": count / int((known | strange).sum())}
        entropy = -torch.special.xlogy(probabilities, probabilities).sum(1)
        first, second = probabilities.topk(2, 1).values.T
        for name, score in (("entropy", entropy), ("margin", second - first)):
            found[f"unknown/{name}_auroc"] = auroc(score[strange], score[known]) if known.any() else None
    if absent := [number for number, name in enumerate(network) if target and name not in target]:
        chosen = torch.isin(probabilities.argmax(1), torch.tensor(absent))
        found["absent_share"] = chosen.double().mean().item()
    return found


def auroc(positive: Tensor, negative: Tensor) -> float:
    """Probability that a positive has the higher score than a negative; ties count half (Mann and Whitney 1947).

    Args:
        positive: (P,) scores, P ≥ 1.
        negative: (N,) scores, N ≥ 1.
    """
    ordered = negative.sort().values
    below = torch.searchsorted(ordered, positive) + torch.searchsorted(ordered, positive, right=True)
    return below.double().mean().item() / (2 * len(negative))
