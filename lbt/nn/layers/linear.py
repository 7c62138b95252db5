"""Linear layers whose three products run on quantized operands."""

from __future__ import annotations

from torch import Tensor, nn

from lbt.kernels import choose
from lbt.nn.layers.base import QuantizedLayer


class QLinear(QuantizedLayer, nn.Linear):
    """``nn.Linear`` in low precision; x (*, in_features) → (*, out_features)."""

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        return self.product(flat, choose.linear(self.context.engine)).reshape(*x.shape[:-1], self.out_features)
