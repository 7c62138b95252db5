"""Linear layers whose three products run on quantized operands."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lbt.nn.layer import QuantizedLayer
from lbt.nn.operand import Operand
from lbt.nn.product import scaled


class LinearKernel:
    """x (*, I) times w (O, I), on float32 operands."""

    def forward(self, a: Operand, w: Operand) -> Tensor:
        return scaled(a.values @ w.values.t(), a, w)

    def grad_input(self, e: Operand, w: Operand, a_shape: torch.Size) -> Tensor:
        return scaled(e.values @ w.values, e, w)

    def grad_weight(self, e: Operand, a: Operand, w_shape: torch.Size) -> Tensor:
        return scaled(e.values.flatten(0, -2).t() @ a.values.flatten(0, -2), e, a)

    def grad_bias(self, e: Operand) -> Tensor:
        return e.values.flatten(0, -2).sum(0).mul_(e.scale)


class QLinear(QuantizedLayer, nn.Linear):
    """``nn.Linear`` in low precision; x (*, in_features) → (*, out_features)."""

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        return self.product(flat, LinearKernel()).reshape(*x.shape[:-1], self.out_features)
