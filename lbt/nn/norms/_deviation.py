"""Normalisation by a measure of spread other than the standard deviation, with its gradient written out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lbt.nn.norms._base import Norm, per_channel, reduced


class Spread:
    """A measure of spread s of the n values of each channel: unchanged by a shift, proportional to a scaling.

    Subclasses hold options, no state. ``n`` is the number of values per channel.
    """

    def of(self, centred: Tensor, n: int) -> Tensor:
        """s of each channel, (C,), from x − μ of shape (N, C, *)."""
        raise NotImplementedError

    def slope(self, normalized: Tensor, n: int) -> Tensor:
        """∂s/∂x of shape (N, C, *), from x̂ = (x − μ)/s (it depends on the order and signs of the values only)."""
        raise NotImplementedError


class NormalizeBySpread(torch.autograd.Function):
    """x̂ = (x − μ)/s and y = γ·x̂ + β, with s = max(spread(x), floor).

    Because s is unchanged by a shift, the error is, for g = γ·dy::

        dx = (g − Σg/n − ∂s/∂x · Σ(g·x̂)) / s        dγ = Σ dy·x̂        dβ = Σ dy

    where the last term is left out in channels in which the floor holds.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, spread: Spread, floor: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        n = x.numel() // x.shape[1]
        mean = x.mean(reduced(x))
        centred = x - per_channel(mean, x)
        measured = spread.of(centred, n)
        s = measured.clamp_min(floor)
        normalized = centred.div_(per_channel(s, x))
        ctx.save_for_backward(normalized, weight, s, measured >= floor)
        ctx.spread, ctx.n = spread, n
        ctx.mark_non_differentiable(mean, s)
        y = normalized if weight is None else normalized * per_channel(weight, x)
        if bias is not None:
            y = y + per_channel(bias, x)
        return (y.clone() if y is normalized else y), mean, s

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor | None, Tensor | None, None, None]:
        dy, (normalized, weight, s, free), n = grads[0], ctx.saved_tensors, ctx.n
        sum_dy = dy.sum(reduced(dy))  # (C,)
        sum_dyx = (dy * normalized).sum(reduced(dy))  # (C,)
        a = (1 / s) if weight is None else weight / s
        slope = ctx.spread.slope(normalized, n).mul_(per_channel(a * sum_dyx * free, dy))
        dx = dy * per_channel(a, dy) - per_channel(a * sum_dy / n, dy) - slope
        need = ctx.needs_input_grad
        return dx, sum_dyx if need[1] else None, sum_dy if need[2] else None, None, None


class SpreadNorm(Norm):
    """Base of the batch norms that divide by a :class:`Spread`; its square is accumulated as the running variance."""

    spread: Spread

    def training_forward(self, x: Tensor) -> Tensor:
        n = self.check_batch(x)
        y, mean, s = NormalizeBySpread.apply(x, self.weight, self.bias, self.spread, self.eps**0.5)
        self.accumulate(mean, s.square(), n)
        return y
