"""Square roots that are correctly rounded on every processor.

On the CPU, PyTorch takes the root of a tensor from MKL, which on some processors approximates it by ``rsqrtps``: one in
five is off by a last bit in float32 on an AMD EPYC, and other ones elsewhere. IEEE 754 has one answer; NumPy gives it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def square_root(x: Tensor) -> Tensor:
    """√x, rounded to nearest, of a tensor of any shape; float32 or float64, differentiable.

    On another device, and where ``x`` is traced, the root is PyTorch's own.
    """
    if not isinstance(x, Tensor) or x.device.type != "cpu":
        return x.sqrt()
    return _SquareRoot.apply(x)  # type: ignore[no-untyped-call, no-any-return]


class _SquareRoot(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        root = torch.empty(x.shape, dtype=x.dtype)
        with np.errstate(invalid="ignore"):
            np.sqrt(x.detach().numpy(), out=root.numpy())
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (root,) = ctx.saved_tensors
        return grads[0] / (2 * root)
