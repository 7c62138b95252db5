"""Taylor (Molchanov et al. 2019, arXiv 1906.10771, on gates): the loss of removing a channel, to first order.

score(c) = mean over images of (Σ over positions of a_c · ∂L/∂a_c)²    L: cross-entropy

Without labels the target of L is the class that the network predicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbt.edge.users.masks import Evidence

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 64
"""Images at a time."""


def scores(evidence: Evidence) -> dict[str, Tensor]:
    """Mean squared sensitivity of each channel, (c,) by layer."""
    return squared(evidence, 0.0)


def squared(evidence: Evidence, discrepancy: float) -> dict[str, Tensor]:
    """Mean square of the sensitivity of cross-entropy + ``discrepancy`` · ‖mean feature − source's mean feature‖²."""
    import torch.nn.functional as F
    from torch import nn

    from lbt.edge.users.gates import sensitivities

    hard = evidence.targets.argmax(1)
    network = evidence.network
    found: dict[str, Tensor] = {}
    for start in range(0, len(hard), BATCH):
        images, labels = evidence.images[start : start + BATCH], hard[start : start + BATCH]

        def loss(model: nn.Module, x: Tensor, labels: Tensor = labels) -> Tensor:
            if not discrepancy:
                return F.cross_entropy(model(x), labels, reduction="sum")
            features = model.features(x)  # type: ignore[operator]
            apart = (features.mean(0) - evidence.source_features).square().sum()
            return F.cross_entropy(model.classifier(features), labels, reduction="sum") + discrepancy * len(x) * apart  # type: ignore[operator]

        for name, each in sensitivities(network, evidence.groups, images, loss).items():
            total = each.double().square().sum(0) / len(hard)
            found[name] = found[name] + total if name in found else total
    return found
