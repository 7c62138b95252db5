"""Products of an empty batch: an expert without tokens, a detector without boxes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lbt.nn.layers.product import Kernel, kernel_is_conv


def empty_product(x: Tensor, weight: Tensor, bias: Tensor | None, kernel: Kernel) -> Tensor:
    """PyTorch's own result for an ``x`` without elements: an empty tensor, whose gradients are zeros."""
    if not kernel_is_conv(kernel):
        return functional.linear(x, weight, bias)
    shape: Any = kernel
    none = [0] * len(shape.stride)
    return torch.convolution(x, weight, bias, shape.stride, shape.padding, shape.dilation, False, none, shape.groups)
