"""Linear layers whose three products run on quantized operands."""

from __future__ import annotations

import math
from dataclasses import replace

from torch import Tensor, nn

from lbt.kernels import choose
from lbt.nn.layers.base import QuantizedLayer


class QLinear(QuantizedLayer, nn.Linear):
    """``nn.Linear`` in low precision; x (*, in_features) → (*, out_features)."""

    def forward(self, input: Tensor) -> Tensor:
        flat = input.reshape(-1, input.shape[-1])
        kernel = replace(choose.linear(self.context.engine), rows=math.prod(input.shape[1:-1]))
        return self.product(flat, kernel).reshape(*input.shape[:-1], self.out_features)
