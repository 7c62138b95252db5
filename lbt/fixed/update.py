"""SGD with momentum on integer master weights, in integer arithmetic, with a stochastic step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lbt.fixed.arithmetic import shift_round
from lbt.fixed.requantize import shift_stochastic
from lbt.numerics.rounding import Key

FRACTION = 15
"""Fraction bits of learning rate, momentum and weight decay."""


@dataclass(frozen=True)
class IntegerSGD:
    """The rule's constants, in fixed point with 15 fraction bits.

    Attributes:
        lr: learning rate, 0 … 1.
        momentum: 0 … 1.
        weight_decay: 0 … 1.
        bits: width of the master weight; it saturates there.
    """

    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 0.0
    bits: int = 24

    def step(self, weight: Tensor, velocity: Tensor, gradient: Tensor, shift: int, key: Key) -> tuple[Tensor, Tensor]:
        """One update.

        All in the unit of the master weight, u; ``⌊·⌉`` rounds to nearest, ties to even, ``⟨·⟩`` stochastically::

            g ← gradient · 2^shift + ⌊weight_decay · w⌉
            v ← ⌊momentum · v⌉ + g
            w ← saturate(w − ⟨lr · v⟩)

        Args:
            weight: int32 codes of any shape.
            velocity: int32 codes of the same shape, zero at the start; saturates at 31 bits.
            gradient: int64 or int32 codes, below 2^31.
            shift: exponent of the gradient's unit over the weight's, −62 … 16.
            key: keys the stochastic rounding.

        Returns:
            The new weight and velocity, int32.
        """
        lr, mu, decay = (round(value * 2**FRACTION) for value in (self.lr, self.momentum, self.weight_decay))
        w, v, g = weight.to(torch.int64), velocity.to(torch.int64), gradient.to(torch.int64)
        g = g << shift if shift >= 0 else shift_round(g, -shift)
        if decay:
            g = g + shift_round(w * decay, FRACTION)
        v = (shift_round(v * mu, FRACTION) + g).clamp_(-(2**31) + 1, 2**31 - 1)
        top = 2 ** (self.bits - 1) - 1
        w = (w - shift_stochastic(v * lr, FRACTION, key)).clamp_(-top, top)
        return w.to(torch.int32), v.to(torch.int32)
