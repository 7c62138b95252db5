"""Accuracy on a labelled split, and measures that need no label."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lbt.train.batches import Examples


@torch.no_grad()
def predict(model: nn.Module, split: Examples, batch: int = 256) -> Tensor:
    """Class probabilities (N, classes) in evaluation mode; the mode is put back afterwards."""
    was_training = model.training
    model.eval()
    parts = [model(split.images[i : i + batch]).softmax(1) for i in range(0, len(split), batch)]
    model.train(was_training)
    return torch.cat(parts)


def accuracy(probabilities: Tensor, labels: Tensor) -> float | None:
    """Share of labelled images whose most probable class is the label, in percent; None (not measured) without any."""
    known = labels >= 0
    if not known.any():
        return None
    return 100.0 * (probabilities[known].argmax(1) == labels[known]).double().mean().item()


def interval(probabilities: Tensor, labels: Tensor) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of :func:`accuracy`, in percent, by Wilson's score method, which holds for few labels too."""
    known = labels >= 0
    count, z = int(known.sum()), 1.959964
    if not count:
        return None, None
    share = (probabilities[known].argmax(1) == labels[known]).double().mean().item()
    middle = share + z * z / (2 * count)
    reach = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return 100.0 * (middle - reach) / (1 + z * z / count), 100.0 * (middle + reach) / (1 + z * z / count)


def class_entropy(probabilities: Tensor) -> float:
    """Entropy of the histogram of predicted classes, as a share of that of a uniform one; from 0 to 1, label-free."""
    classes = probabilities.shape[1]
    share = torch.bincount(probabilities.argmax(1), minlength=classes).double() / len(probabilities)
    return -torch.special.xlogy(share, share).sum().item() / math.log(classes)


def collapsed(probabilities: Tensor, before: Tensor) -> bool:
    """True if the predictions on unlabelled images have collapsed onto few classes; no label is needed.

    The criterion: a probability is not finite, or the entropy of the histogram of predicted classes is below 60 % of
    that of the network ``before`` adaptation. A target of unequal classes has a low one from the start.
    """
    return not probabilities.isfinite().all() or class_entropy(probabilities) < 0.6 * class_entropy(before)
