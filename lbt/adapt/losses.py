"""Losses that several methods share. Probabilities are (N, classes)."""

from __future__ import annotations

import torch
from torch import Tensor


def class_balance(probabilities: Tensor) -> Tensor:
    """Binary cross-entropy between the batch's mean prediction and the uniform one (arXiv 1706.05208, section 3.4).

    Zero would need every class to be predicted equally often; it keeps a student from giving up rare classes.
    """
    mean = probabilities.mean(0)
    uniform = 1.0 / probabilities.shape[1]
    return -(uniform * (mean + 1e-6).log() + (1 - uniform) * (1 - mean + 1e-6).log()).mean()


def entropy(probabilities: Tensor) -> Tensor:
    """Mean Shannon entropy of the predictions, in nats."""
    return -(probabilities * (probabilities + 1e-6).log()).sum(1).mean()


def diversity(probabilities: Tensor) -> Tensor:
    """Negative entropy of the mean prediction in nats; least when classes are equally frequent (2002.08546, eq. 3)."""
    mean = probabilities.mean(0)
    return (mean * (mean + 1e-6).log()).sum()


class ReverseGradient(torch.autograd.Function):
    """Identity forward, gradient times ``-weight`` backward (arXiv 1505.07818, section 4.1)."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: float) -> Tensor:  # type: ignore[no-untyped-def, override]
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def, override]
        return -ctx.weight * grad, None


def reverse_gradient(x: Tensor, weight: float) -> Tensor:
    """See :class:`ReverseGradient`."""
    return ReverseGradient.apply(x, weight)
