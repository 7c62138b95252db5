"""The guard of a personal network: the unlabelled evidence of :mod:`lbt.adapt.guard`, and the labels that were kept
back.

A quarter of each class's labels is kept from training where a class has four or more. On these the personal network
must not be worse than the backbone. Two pieces of evidence without labels decide where they say nothing; they are
overruled only by labels on which the personal network is better:

- the expected gain and the contradictions of :func:`lbt.adapt.guard.judge`;
- the most that the personal network can gain. With a the backbone's accuracy and d the share of images to which the
  two networks give different classes, at most 1 − a of all images become right, and at least d − (1 − a) wrong, so that
  gain ≤ 2 (1 − a) − d. A backbone that is nearly always right is not replaced by a network that contradicts it more
  often than that. a is estimated from all labels that the user gave, none of which the backbone saw, with its mean
  confidence as the prior."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lbt.adapt.guard import Verdict, judge

FEWEST = 4
"""Labels of a class of which the guard keeps one."""
PRIOR = 10
"""Number of labels for which the backbone's mean confidence stands in the estimate of its accuracy."""
LEAST_BOUND = -0.01
"""Bound on the gain below which a personal network is refused: a point, the loss that no user is to have."""


@dataclass(frozen=True)
class UserVerdict:
    """Evidence about a personal network.

    Attributes:
        unlabelled: the evidence without labels.
        before, after: right answers among the labels kept back, by the backbone and by the personal network.
        labels: their number.
        most: the most that the personal network can gain in accuracy, from -1 to 2.
    """

    unlabelled: Verdict
    before: int = 0
    after: int = 0
    labels: int = 0
    most: float = 0.0

    @property
    def refused(self) -> bool:
        """True if the backbone is to serve instead."""
        against = self.unlabelled.refused or self.most < LEAST_BOUND
        return self.after < self.before or (against and self.after == self.before)


def kept_back(labels: Tensor) -> Tensor:
    """Bool (N,): the labels that training does not see, the last quarter of each class that has enough."""
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels[labels >= 0].unique():
        mine = (labels == label).nonzero().flatten()
        if len(mine) >= FEWEST:
            chosen[mine[len(mine) - len(mine) // FEWEST :]] = True
    return chosen


def verdict(start: Tensor, adapted: Tensor, labels: Tensor, kept: Tensor) -> UserVerdict:
    """Judge a personal network.

    Args:
        start, adapted: class probabilities (N, K) of the user's images by the backbone and by the personal network.
        labels: (N,), -1 for none.
        kept: (N,) the labels that training did not see.
    """
    right = [int((p.argmax(1) == labels)[kept].sum()) for p in (start, adapted)]
    return UserVerdict(judge(start, adapted), right[0], right[1], int(kept.sum()), most_gain(start, adapted, labels))


def most_gain(start: Tensor, adapted: Tensor, labels: Tensor) -> float:
    """Bound on the gain in accuracy of ``adapted`` over ``start``, see the module; arguments as of :func:`verdict`."""
    first, known = start.argmax(1), labels >= 0
    confidence = float(start.double().amax(1).mean())
    accuracy = (int((first == labels)[known].sum()) + PRIOR * confidence) / (int(known.sum()) + PRIOR)
    changed = float((first != adapted.argmax(1)).double().mean())
    return 2 * (1 - accuracy) - changed
