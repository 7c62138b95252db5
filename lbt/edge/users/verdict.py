"""The guard of a personal network: the unlabelled evidence of :mod:`lbt.adapt.guard`, and the labels that were kept
back.

A quarter of each class's labels is kept from training where a class has four or more. On these the personal network
must not be worse than the backbone. The unlabelled evidence decides where they say nothing: it is overruled only by
labels on which the personal network is better."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lbt.adapt.guard import Verdict, judge

FEWEST = 4
"""Labels of a class of which the guard keeps one."""


@dataclass(frozen=True)
class UserVerdict:
    """Evidence about a personal network.

    Attributes:
        unlabelled: the evidence without labels.
        before, after: right answers among the labels kept back, by the backbone and by the personal network.
        labels: their number.
    """

    unlabelled: Verdict
    before: int = 0
    after: int = 0
    labels: int = 0

    @property
    def refused(self) -> bool:
        """True if the backbone is to serve instead."""
        return self.after < self.before or (self.unlabelled.refused and self.after <= self.before)


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
    return UserVerdict(judge(start, adapted), right[0], right[1], int(kept.sum()))
