"""Losses of online adaptation. Logits are (N, K); each gives (N,), one value an image, in nats."""

from __future__ import annotations

import torch
from torch import Tensor


def entropies(logits: Tensor) -> Tensor:
    """H(p) = -Σ p log p of p = softmax(logits)."""
    return cross_entropy(logits, logits)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """-Σ q log p with p = softmax(logits) and q = softmax(target)."""
    return -(target.softmax(1) * logits.log_softmax(1)).sum(1)


def symmetric_cross_entropy(logits: Tensor, other: Tensor) -> Tensor:
    """Mean of the cross-entropies in both directions (Wang et al. 2019, arXiv 1908.06112)."""
    return 0.5 * (cross_entropy(logits, other) + cross_entropy(other, logits))


def soft_likelihood_ratio(logits: Tensor, most: float = 0.99) -> Tensor:
    """-Σ p log(p / (1 - p)) with p clipped at ``most`` (arXiv 2306.00650, equation 3).

    Its gradient does not vanish where a prediction is certain, as the entropy's does.
    """
    p = logits.softmax(1).clamp(max=most)
    return -(p * torch.log(p / (1 - p) + 1e-5)).sum(1)
