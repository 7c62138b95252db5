"""Conditional adversarial adaptation (Long et al., arXiv 1705.10667, CDAN+E): DANN that also sees the prediction.

The discriminator sees the outer product of features and class probabilities (their eq. 5), so that it compares each
class with the same class; certain images weigh more, 1 + exp(-entropy) (their eq. 10).
"""

from __future__ import annotations

import torch
from torch import Tensor

from lbt.adapt.methods import dann


class Method(dann.Method):
    def width(self, features: int, classes: int) -> int:
        return features * classes

    def judged(self, features: Tensor, logits: Tensor) -> Tensor:
        probabilities = logits.softmax(1).detach()
        return (probabilities[:, :, None] * features[:, None, :]).flatten(1)  # (N, K, 1) * (N, 1, D) -> (N, K D)

    @torch.no_grad()
    def weigh(self, logits: Tensor) -> Tensor:
        entropy = -(logits.softmax(1) * logits.log_softmax(1)).sum(1)
        weight = 1 + torch.exp(-entropy)
        return weight / weight.mean()
