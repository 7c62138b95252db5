"""Numbers for a target whose test images have no label."""

from __future__ import annotations

import torch
from torch import Tensor


def unlabelled_evidence(probabilities: Tensor, before: Tensor, classes: tuple[str, ...]) -> dict[str, float]:
    """Numbers that stand in for an accuracy that nobody can measure.

    Args:
        probabilities: (N, classes) of the adapted network.
        before: the same of the pretrained one.
        classes: their names.

    Returns:
        ``agreement``: share of images on which the two networks predict the same class; ``mean_entropy`` of a
        prediction in nats, and ``before/mean_entropy``; ``predicted/NAME``: share of images by predicted class.
    """
    predicted = probabilities.argmax(1)
    shares = torch.bincount(predicted, minlength=len(classes)).double() / len(predicted)
    return {
        "agreement": (predicted == before.argmax(1)).double().mean().item(),
        "mean_entropy": _entropy(probabilities),
        "before/mean_entropy": _entropy(before),
        **{f"predicted/{name}": share.item() for name, share in zip(classes, shares, strict=True)},
    }


def _entropy(probabilities: Tensor) -> float:
    return -torch.special.xlogy(probabilities, probabilities).sum(1).double().mean().item()
