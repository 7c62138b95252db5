"""Evidence on adapted networks without a label: agreement with the committee of all others, and among similar images.

Networks that were adapted from different architectures make different mistakes, so that the class to which the mean of
their probabilities points is right more often than each of them. The share of target images on which a network agrees
with the mean of the others therefore ranks the networks, and is a low guess of accuracy where the others are worse
(Jiang et al., arXiv 2106.13799; Baek et al., arXiv 2206.13089, on agreement and accuracy). Errors that most of them
share it cannot see, and counts against those that are right. Similar images (:mod:`lbt.adapt.neighbours`) know nothing
of the networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from lbt.adapt.neighbours import among, order
from lbt.adapt.read import read_adapted
from lbt.nas.choose.answer import Evidence
from lbt.nn import domain
from lbt.train.batches import Examples
from lbt.train.evaluation import predict


def evidence(members: Mapping[str, Path], target: Examples) -> dict[str, Evidence]:
    """Evidence on each of several adapted networks.

    Args:
        members: weights of two or more networks by name.
        target: images of the target; no label is read.
    """
    found = {name: predictions(file, target) for name, file in members.items()}
    some, near = among(target)
    agreed = agreement(found)
    return {name: Evidence(agreed[name], 100 * order(found[name][some].argmax(1), near)) for name in members}


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
