"""ReLUs that keep a byte an element for the backward pass, where PyTorch's keep their float output.

In a quantized network the next product keeps codes of one byte, so that the ReLU's own four bytes would be most of what
lies between forward and backward. Values and gradients are those of ``nn.ReLU`` and ``nn.ReLU6``, bit for bit. The
loops also find the largest magnitude of what they write, which the product that follows would have to look for.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from lbt.kernels import loops
from lbt.kernels.magnitude import remember
from lbt.kernels.pieces import flat, over_pieces
from lbt.nn.eager import eager


class _Relu(torch.autograd.Function):
    """``_Relu.apply(x, bound, inplace, found)``; the loop appends the output's largest magnitude to ``found``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: float, inplace: bool, found: list[int]) -> Tensor:
        y = x if inplace else torch.empty_like(x)
        mask = torch.empty_like(x, dtype=torch.bool)
        loops = _loops(x)
        if loops is None:
            torch.logical_and(torch.logical_not(x <= 0), torch.logical_not(x >= bound), out=mask)
            y.copy_(functional.relu(x) if math.isnan(bound) else functional.hardtanh(x, 0.0, bound))
        else:
            source, kept, limit = flat(x), flat(mask), np.float32(bound)
            into = flat(y)

            def write(start: int, stop: int) -> int:
                piece = slice(start, stop)
                if inplace:
                    return loops.relu_inplace(source[piece], limit, kept[piece])  # type: ignore[no-any-return]
                return loops.relu(source[piece], limit, into[piece], kept[piece])  # type: ignore[no-any-return]

            found.append(max(over_pieces(source.size, write)))
        if inplace:
            ctx.mark_dirty(x)
        ctx.save_for_backward(mask)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        (mask,) = ctx.saved_tensors
        loops = _loops(dy) if dy.stride() == mask.stride() else None
        if loops is None:
            return torch.where(mask, dy, 0.0), None, None, None
        dx = torch.empty_like(dy)
        error, kept, into = flat(dy), flat(mask), flat(dx)
        tops = over_pieces(error.size, lambda a, b: loops.masked(error[a:b], kept[a:b], into[a:b]))
        remember(dx, max(tops))
        return dx, None, None, None


@eager
def _relu(x: Tensor, bound: float, inplace: bool) -> Tensor:
    found: list[int] = []
    y: Tensor = _Relu.apply(x, bound, inplace, found)
    if found:
        remember(y, found[0])  # only now: being changed in place is counted when the function has returned
    return y


def _loops(x: Tensor) -> Any:
    """The fused loops, where ``x`` is float32 in CPU memory without gaps."""
    dense = x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last))
    return loops.loops() if dense and x.device.type == "cpu" and x.dtype == torch.float32 and x.numel() else None


def _keeps_a_byte(x: Tensor) -> bool:
    """True if autograd keeps something for the backward pass, and lets a function write into ``x``."""
    return torch.is_grad_enabled() and x.requires_grad and not x._is_view() and not torch.compiler.is_compiling()


class MaskReLU(nn.ReLU):
    """``nn.ReLU``; see the module."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape; in place where the ReLU that it replaces was."""
        if not _keeps_a_byte(input):
            return super().forward(input)
        return _relu(input, math.nan, self.inplace)


class MaskReLU6(nn.ReLU6):
    """``nn.ReLU6``; see the module."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape; in place where the ReLU that it replaces was."""
        if not _keeps_a_byte(input):
            return super().forward(input)
        return _relu(input, 6.0, self.inplace)
