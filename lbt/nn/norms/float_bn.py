"""Batch norm with float statistics: the reference, and what a recipe keeps when only its input and output are 8-bit."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from lbt.nn.norms._base import Norm
from lbt.nn.norms._cost import FLOAT_LANE, INFERENCE, NormCost, Operations, Pass

COST = NormCost(
    forward=Pass(
        # Σx, Σx² (2 adds, 1 multiply), then y = a·x + b
        element=Operations(adds=3, multiplies=2),
        # μ, σ² = E[x²] − μ², 1/√(σ² + ε), a = γ/σ, b = β − μa, two running averages of 2 multiplies and 1 add
        channel=Operations(adds=5, multiplies=9, divides=1, square_roots=1),
        reads=2,
    ),
    backward=Pass(
        # Σ dy, Σ dy·x (2 adds, 1 multiply), then dx = k₁·dy + k₂·x + k₃
        element=Operations(adds=4, multiplies=3),
        # dγ = (Σ dy·x − μ Σ dy)/σ; k₁ = γ/σ, k₂ = −k₁·dγ/(nσ), k₃ = −k₁·Σ dy/n − k₂·μ
        channel=Operations(adds=2, multiplies=7),
        reads=2,
    ),
    inference=INFERENCE,
    lane=FLOAT_LANE,
    saved_per_element=1,
    saved_per_channel=2,
)


class FloatBN(Norm):
    """Batch normalisation as published, in floating point (Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 1).

    Training, over the n = N·H·W values of a channel::

        μ = Σx/n    σ² = Σ(x − μ)²/n    x̂ = (x − μ)/√(σ² + ε)    y = γ·x̂ + β
        dx = γ/√(σ² + ε) · (dy − Σdy/n − x̂·Σ(dy·x̂)/n)    dγ = Σ dy·x̂    dβ = Σ dy

    Bit-identical with ``nn.BatchNorm2d``.

    Raises:
        LbtError: one value per channel in training.
    """

    cost = COST

    def training_forward(self, x: Tensor) -> Tensor:
        self.check_batch(x)
        factor = self.count_batch() if self.training and self.running_mean is not None else 0.0
        running = (self.running_mean, self.running_var) if self.training else (None, None)
        return functional.batch_norm(x, *running, self.weight, self.bias, True, factor, self.eps)


NORM = FloatBN
