"""Linear layers whose three products run on quantized operands."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from lbt.errors import LbtError
from lbt.kernels import choose
from lbt.nn.layers.base import QuantizedLayer


class QLinear(QuantizedLayer, nn.Linear):
    """``nn.Linear`` in low precision; x (*, in_features) → (*, out_features)."""

    def forward(self, input: Tensor) -> Tensor:
        if input.layout is not torch.strided:  # sparse, or nested
            raise LbtError(f"layer {self.lbt_name!r}: found a {input.layout} input; accepted: dense tensors")
        flat = input.reshape(-1, input.shape[-1])
        kernel = replace(choose.linear(self.context.engine), rows=math.prod(input.shape[1:-1]))
        return self.product(flat, kernel).reshape(*input.shape[:-1], self.out_features)
