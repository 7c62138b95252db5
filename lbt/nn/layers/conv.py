"""1-D and 2-D convolutions (any stride, padding, dilation, groups) whose three products run on quantized operands."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lbt.kernels.operand import Operand
from lbt.nn.layers.base import QuantizedLayer
from lbt.nn.layers.product import Kernel, full_precision, scaled


@dataclass(frozen=True, slots=True)
class ConvKernel:
    """x (N, C, *) with w (O, C/groups, *), on float32 operands through PyTorch's own convolutions."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    channel_first = True
    reads_codes = (False, False)

    def forward(self, a: Operand, w: Operand) -> Tensor:
        none = (0,) * len(self.stride)
        with full_precision(a, w):
            y = torch.convolution(
                a.values, w.values, None, self.stride, self.padding, self.dilation, False, none, self.groups
            )
        return scaled(y, a, w)

    def gradients(
        self, e: Operand, a: Operand | None, w: Operand | None, a_shape: torch.Size, w_shape: torch.Size
    ) -> tuple[Tensor | None, Tensor | None]:
        # the operand of a gradient that is not asked for only lends its shape
        a_values = _placeholder(e.values, a_shape) if a is None else a.values
        w_values = _placeholder(e.values, w_shape) if w is None else w.values
        mask = (w is not None, a is not None, False)
        none = [0] * len(self.stride)
        how = (self.stride, self.padding, self.dilation, False, none, self.groups, mask)
        with full_precision(e, *(x for x in (a, w) if x is not None)):
            dx, dw, _ = torch.ops.aten.convolution_backward(e.values, a_values, w_values, None, *how)
        return None if w is None else scaled(dx, e, w), None if a is None else scaled(dw, e, a)

    def grad_bias(self, e: Operand) -> Tensor:
        return e.values.sum([d for d in range(e.values.dim()) if d != 1]).mul_(e.scale)


def _placeholder(like: Tensor, shape: torch.Size) -> Tensor:
    form = torch.channels_last if len(shape) == 4 else torch.contiguous_format
    return torch.empty(shape, device=like.device, memory_format=form)


class _QConv(QuantizedLayer, nn.modules.conv._ConvNd):
    def forward(self, input: Tensor) -> Tensor:
        spatial = len(self.kernel_size)
        batched = input.dim() == spatial + 2
        x = input if batched else input.unsqueeze(0)
        x, padding = self._explicit_padding(x)
        y = self.product(x, self._kernel(x, padding))
        return y if batched else y.squeeze(0)

    def _kernel(self, x: Tensor, padding: tuple[int, ...]) -> Kernel:
        from lbt.kernels.int8.exact import ExactConv  # which itself builds on the float kernel
        from lbt.kernels.int8.products import IntegerConv

        geometry = (self.stride, padding, self.dilation, self.groups)
        if self.context.engine == "integer":
            return IntegerConv(*geometry)
        exact = ExactConv(*geometry)
        return exact if exact.pays(self.roles, x, self.weight) else ConvKernel(*geometry)

    def _explicit_padding(self, x: Tensor) -> tuple[Tensor, tuple[int, ...]]:
        """What the convolution itself can pad; other modes, and an uneven ``same``, are padded here."""
        none = (0,) * len(self.kernel_size)
        sides = self._reversed_padding_repeated_twice  # last dimension first, (before, after)
        if self.padding_mode != "zeros":
            return functional.pad(x, sides, mode=self.padding_mode), none
        before, after = sides[::2][::-1], sides[1::2][::-1]
        return (x, tuple(before)) if before == after else (functional.pad(x, sides), none)


class QConv1d(_QConv, nn.Conv1d):
    """``nn.Conv1d`` in low precision."""


class QConv2d(_QConv, nn.Conv2d):
    """``nn.Conv2d`` in low precision."""
