"""Batch norm folded into the preceding convolution: no work per element is left of it."""

from __future__ import annotations

import torch
from torch import Tensor

from lbt.nn.norms._base import reduced
from lbt.nn.norms._cost import NormCost, Operations, Pass
from lbt.nn.norms.running_bn import RunningBN

COST = NormCost(
    forward=Pass(
        # only the statistics of the convolution's output: Σy, Σy²
        element=Operations(adds=2, multiplies=1),
        # μ, σ² of y; back to x (2 divides); running averages; a = γ/σ, b = β − μa
        channel=Operations(adds=6, multiplies=9, divides=3, square_roots=1),
        reads=1,
    ),
    backward=Pass(
        # dβ is the bias gradient of the convolution; the error passes through
        element=Operations(adds=1),
        channel=Operations(multiplies=2),
        reads=1,
    ),
    inference=Pass(element=Operations(), channel=Operations(), reads=0),
    lane="full_bn",
    saved_per_element=0,
    saved_per_channel=0,
    # w·a forward; dw = a·dw' and dγ = Σ dw'·w/σ backward
    per_weight=Operations(adds=1, multiplies=3),
)


class FoldedBN(RunningBN):
    """Batch norm as part of the preceding convolution (Jacob et al. 2018, arXiv 1712.05877, section 3.2).

    With the running statistics μ_r, σ_r² and the convolution y = w∗x + c::

        a = γ/√(σ_r² + ε)    w' = a·w    c' = a·(c − μ_r) + β    γ·(w∗x + c − μ_r)/√(σ_r² + ε) + β = w'∗x + c'

    so that the *folded* weight is what is quantized. Two ways to use it:

    - ``w, c = norm.fold(conv.weight, conv.bias)`` gives the folded pair, differentiable with respect to w, c, γ and β;
      after the convolution, ``norm.observe(y)`` accumulates the statistics: those of w∗x + c follow from those of y.
    - As a layer by itself it computes the same function of the convolution's output (then it is ``running_bn``).

    :func:`lbt.nn.quantize` does the first where a convolution or linear layer feeds the norm and nothing else
    (``inside`` is set then, and the layer only observes what passes), and the second elsewhere.

    Difference from the paper: it folds the statistics of the batch in training, which needs the convolution twice; here
    the running statistics are used, and go on accumulating.
    """

    cost = COST
    inside: bool = False
    """True if a layer carries this norm in its weight, so that the input is normalised already."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.inside:
            return super().forward(input)
        self._check_input_dim(input)
        self.observe(input)
        return input

    def fold(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """The convolution's weight (C, …) and bias (C,) with this norm in them."""
        a, b = self.scale_and_shift()
        return weight * a.view(-1, *(1,) * (weight.dim() - 1)), b if bias is None else b + a * bias

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """a and b of y = a·x + b, (C,) each."""
        mean, variance = self.running()
        a = torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            a = a * self.weight
        b = -mean * a
        return a, b if self.bias is None else b + self.bias

    @torch.no_grad()
    def observe(self, y: Tensor) -> None:
        """Accumulate the statistics of x from y = a·x + b of shape (N, C, *), the folded convolution's output.

        A channel with a = 0 says nothing about x and keeps its statistics.
        """
        running_mean, running_var = self.running()
        n = y.numel() // y.shape[1]
        if not self.training or n < 2:
            return
        a, b = self.scale_and_shift()
        variance, mean = torch.var_mean(y, reduced(y), correction=0)
        known = a != 0
        safe = torch.where(known, a, 1)
        # a channel that is not known gets a batch that equals its running statistics
        self.accumulate(
            torch.where(known, (mean - b) / safe, running_mean),
            torch.where(known, variance / safe.square(), running_var * ((n - 1) / n)),
            n,
        )


NORM = FoldedBN
