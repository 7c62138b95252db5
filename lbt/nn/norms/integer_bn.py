"""Batch norm in integers only: fixed-point mean, variance and reciprocal square root, forward and backward."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from lbt.errors import LbtError
from lbt.fixed import batch_norm as fixed
from lbt.fixed.arithmetic import divide_round, shift_exact
from lbt.nn.norms._base import Norm
from lbt.nn.norms._cost import NormCost, Operations, Pass

COST = NormCost(
    forward=Pass(
        # Σq, Σq²; then x̂ = (q − μ)·R and y = γ·x̂ + β: two separate multiplies, since x̂ is rounded to 16 bits
        element=Operations(adds=4, multiplies=3, comparisons=2),
        # μ, E[q²], σ² (2 divides, 1 multiply, 1 add), root and reciprocal, shifts, two running averages (4 adds)
        channel=Operations(adds=6, multiplies=1, divides=4, square_roots=1),
        reads=2,
    ),
    backward=Pass(
        # Σdy, Σ dy·x̂; dx = (dy − k₁ − x̂·k₂)·γR
        element=Operations(adds=4, multiplies=3),
        channel=Operations(adds=2, multiplies=1, divides=2),
        reads=2,
    ),
    inference=Pass(element=Operations(adds=2, multiplies=2, comparisons=2), channel=Operations(), reads=1),
    lane="full_bn",
    saved_per_element=1,
    saved_per_channel=2,
    bits=16,
)

STATE = 20
"""Fraction bits in which the running statistics are accumulated."""


def to_codes(x: Tensor, layer: str) -> tuple[Tensor, int]:
    """16-bit codes of a float tensor and the exponent e of their unit: x ≈ codes · 2^e, ties to even.

    Tensors that already lie on a power-of-two grid of at most 15 bits pass unchanged.
    """
    largest = float(x.detach().abs().max())
    if not math.isfinite(largest):
        raise LbtError(f"{layer}: its input holds NaN or infinity")
    exponent = math.frexp(largest)[1] - 15 if largest else 0
    return torch.ldexp(x.double(), torch.tensor(-exponent)).round_().clamp_(-fixed.LIMIT, fixed.LIMIT).long(), exponent


def to_fixed(x: Tensor, fraction: int) -> Tensor:
    """A float tensor in fixed point, int64, ``fraction`` bits after the point."""
    return torch.round(x.double() * 2.0**fraction).long()


def to_float(codes: Tensor, exponent: int | Tensor, dtype: torch.dtype) -> Tensor:
    """codes · 2^exponent."""
    return torch.ldexp(codes.double(), torch.as_tensor(exponent)).to(dtype)


class _IntegerBatchNorm(torch.autograd.Function):
    """(x, γ, β) → (y, Σ-based mean and variance as float64), with everything in between in integers."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, running: Any, eps: float, name: str) -> Any:
        n = x.numel() // x.shape[1]
        codes, exponent = to_codes(x, name)
        epsilon = max(1, round(eps * 2.0 ** (2 * fixed.MEAN - 2 * exponent)))
        if running is None:
            measured = fixed.moments(*fixed.channel_sums(codes, codes), n)
        else:  # brought into the unit of the codes
            mean = to_fixed(torch.ldexp(running[0].double(), torch.tensor(-exponent)), fixed.MEAN)
            variance = to_fixed(torch.ldexp(running[1].double(), torch.tensor(-2 * exponent)), 2 * fixed.MEAN)
            measured = fixed.Moments(mean.clamp(-(2**40), 2**40), variance.clamp(0, 2**52 - 1))
        gamma = to_fixed(weight, fixed.AFFINE).clamp_(-fixed.LIMIT, fixed.LIMIT)
        beta = to_fixed(bias, fixed.AFFINE).clamp_(-fixed.LIMIT, fixed.LIMIT)
        scale = fixed.scale_of(measured.variance, epsilon)
        normal = fixed.normalize(codes, measured.mean, scale)
        ctx.save_for_backward(normal.short(), gamma, *scale)
        ctx.batch, ctx.exponent, ctx.name, ctx.n = running is None, exponent, name, n
        statistics = torch.stack([*measured])
        ctx.mark_non_differentiable(statistics)
        return to_float(fixed.affine(normal, gamma, beta), -fixed.AFFINE, x.dtype), statistics, exponent

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        normal, gamma, *scale = ctx.saved_tensors
        normal = normal.long()
        dy, unit = to_codes(grads[0], f"{ctx.name} (error)")
        total, product = fixed.channel_sums(dy, normal)
        sums = (total, product, ctx.n) if ctx.batch else None
        dx, exponent = fixed.error(dy, gamma, fixed.Scale(*scale), normal, sums)
        dtype = grads[0].dtype
        return (
            to_float(dx, exponent + (unit - ctx.exponent), dtype),
            to_float(product, unit - fixed.NORMAL, dtype),
            to_float(total, unit, dtype),
            None,
            None,
            None,
        )


class IntegerBN(Norm):
    """Batch norm of a machine without float units; what is computed is defined in :mod:`lbt.fixed.batch_norm`.

    Training, over the n = N·H·W 16-bit codes q of a channel (all integers; ⌊·⌉ rounds)::

        μ = ⌊2⁸·Σq/n⌉    σ² = ⌊2¹⁶·Σq²/n⌉ − μ²    R·2^(−29−h) ≈ 1/√(σ² + ε)  (16-bit mantissa, error below 2⁻¹⁴)
        x̂ = ⌊(2⁸q − μ)·R·2^−(18+h)⌉  (11 fraction bits, saturates at ±16)    y = ⌊γ·x̂·2⁻¹¹⌉ + β  (12 fraction bits)
        dx = ⌊(2⁸dy − ⌊2⁸Σdy/n⌉ − ⌊x̂·⌊Σ(dy·x̂)/n⌉·2⁻¹⁴⌉)·γR·2^−(30+h−min h)⌉    dγ = Σ dy·x̂    dβ = Σ dy

    The inputs are float tensors (the converter puts the formats around it): they are brought to 16-bit codes with one
    power-of-two scale for the tensor, which changes nothing for codes of up to 15 bits on such a scale. γ and β
    saturate at ±8. The running statistics are accumulated in fixed point with the momentum rounded to a power of two
    (0.1 becomes 1/8); evaluation is in integers too, with the running statistics.

    Raises:
        LbtError: one value per channel in training, NaN or infinity in x or dy, or ``momentum`` is ``None``.
    """

    cost = COST

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.momentum is None or not 0 < self.momentum <= 1:
            raise LbtError(f"{type(self).__name__}: momentum: found {self.momentum!r}; accepted: above 0, up to 1")
        self.shift = max(0, round(-math.log2(self.momentum)))

    def training_forward(self, x: Tensor) -> Tensor:
        n = self.check_batch(x)
        y, statistics, exponent = self.apply_to(x, None)
        if exponent > 14:
            raise LbtError(
                f"IntegerBN({self.num_features}): found an input of 2^{exponent + 14} or more; accepted: < 2^29"
            )
        self.accumulate_fixed(statistics, exponent, n)
        return y

    def normalize_with(self, x: Tensor, mean: Tensor | None, variance: Tensor | None) -> Tensor:
        return self.apply_to(x, (mean, variance))[0]

    def apply_to(self, x: Tensor, running: tuple[Tensor | None, Tensor | None] | None) -> Any:
        """y, (mean, variance) of the batch in the unit of the codes, and the exponent of that unit."""
        weight = x.new_ones(self.num_features) if self.weight is None else self.weight
        bias = x.new_zeros(self.num_features) if self.bias is None else self.bias
        return _IntegerBatchNorm.apply(x, weight, bias, running, self.eps, f"IntegerBN({self.num_features})")

    @torch.no_grad()
    def accumulate_fixed(self, statistics: Tensor, exponent: int, n: int) -> None:
        """r ← r + (batch − r)·2^−shift in fixed point with STATE fraction bits."""
        if self.running_mean is None or self.running_var is None or not self.training:
            return
        self.count_batch()
        mean = shift_exact(statistics[0], max(-62, exponent - fixed.MEAN + STATE))
        unbiased = statistics[1] + divide_round(statistics[1], n - 1)
        variance = shift_exact(unbiased, max(-62, 2 * exponent - 2 * fixed.MEAN + STATE))
        for buffer, batch in ((self.running_mean, mean), (self.running_var, variance)):
            old = to_fixed(buffer, STATE)
            new = old + shift_exact(batch - old, -self.shift)
            buffer.copy_(to_float(new, -STATE, buffer.dtype))


NORM = IntegerBN
