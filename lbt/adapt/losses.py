"""Losses that several methods share. Probabilities are (N, classes)."""

from __future__ import annotations

import torch
from torch import Tensor


def class_balance(probabilities: Tensor, mix: Tensor) -> Tensor:
    """Binary cross-entropy between the batch's mean prediction and its expected ``mix`` of classes, (K,).

    After arXiv 1706.05208, section 3.4, where the mix is uniform. It keeps a student from giving up rare classes.
    """
    mean = probabilities.mean(0)
    return -(mix * (mean + 1e-6).log() + (1 - mix) * (1 - mean + 1e-6).log()).mean()


def entropy(probabilities: Tensor) -> Tensor:
    """Mean Shannon entropy of the predictions, in nats."""
    return -(probabilities * (probabilities + 1e-6).log()).sum(1).mean()


def diversity(probabilities: Tensor, mix: Tensor) -> Tensor:
    """Divergence of the mean prediction from the expected ``mix`` of classes (K,), in nats.

    Up to a constant 2002.08546's equation 3, where the mix is uniform.
    """
    mean = probabilities.mean(0)
    return (mean * ((mean + 1e-6).log() - (mix + 1e-6).log())).sum()


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
