"""Linear layers whose three products run on quantized operands."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lbt.kernels.operand import Operand
from lbt.nn.layers.base import QuantizedLayer
from lbt.nn.layers.product import Kernel, full_precision, scaled


class LinearKernel:
    """x (N, I) times w (O, I), on float32 operands."""

    reads_codes = (False, False)

    def forward(self, a: Operand, w: Operand) -> Tensor:
        with full_precision(a, w):
            return scaled(a.values @ w.values.t(), a, w)

    def gradients(
        self, e: Operand, a: Operand | None, w: Operand | None, a_shape: torch.Size, w_shape: torch.Size
    ) -> tuple[Tensor | None, Tensor | None]:
        with full_precision(e, *(x for x in (a, w) if x is not None)):
            dx = None if w is None else scaled(e.values @ w.values, e, w)
            dw = None if a is None else scaled(e.values.t() @ a.values, e, a)
        return dx, dw

    def grad_bias(self, e: Operand) -> Tensor:
        return e.values.sum(0).mul_(e.scale)


class QLinear(QuantizedLayer, nn.Linear):
    """``nn.Linear`` in low precision; x (*, in_features) → (*, out_features)."""

    def forward(self, input: Tensor) -> Tensor:
        flat = input.reshape(-1, input.shape[-1])
        kernel: Kernel = LinearKernel()
        if self.context.engine == "integer":
            from lbt.kernels.int8.products import IntegerLinear

            kernel = IntegerLinear()
        return self.product(flat, kernel).reshape(*input.shape[:-1], self.out_features)
