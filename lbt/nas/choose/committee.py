"""Evidence on adapted networks without a label: agreement with the committee of all others.

Networks that were adapted from different architectures make different mistakes, so that the class to which the mean of
their probabilities points is right more often than each of them. The share of target images on which a network agrees
with the mean of the others therefore ranks the networks, and is a low guess of accuracy where the others are worse.
What all of them get wrong alike it cannot see (Jiang et al., arXiv 2106.13799; Baek et al., arXiv 2206.13089, on
agreement and accuracy).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from lbt.adapt.read import read_adapted
from lbt.nn import domain
from lbt.train.batches import Examples
from lbt.train.evaluation import predict


def agreement(members: Mapping[str, Tensor]) -> dict[str, float]:
    """Percent of the images on which each member's class is that of the mean of the others.

    Args:
        members: class probabilities (N, K) by name; two or more members.
    """
    total = torch.stack(list(members.values())).sum(0)
    return {
        name: 100 * (own.argmax(1) == (total - own).argmax(1)).double().mean().item() for name, own in members.items()
    }


def predictions(weights: Path, target: Examples) -> Tensor:
    """Class probabilities (N, K) of an adapted network on images of the target."""
    network = read_adapted(weights)
    with domain(network, "target"):
        return predict(network, target)
