"""1-D and 2-D convolutions (any stride, padding, dilation, groups) whose three products run on quantized operands."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from lbt.kernels import choose
from lbt.kernels.geometry import Geometry
from lbt.nn.layers.base import QuantizedLayer


class _QConv(QuantizedLayer, nn.modules.conv._ConvNd):
    def forward(self, input: Tensor) -> Tensor:
        spatial = len(self.kernel_size)
        batched = input.dim() == spatial + 2
        x = input if batched else input.unsqueeze(0)
        x, padding = self._explicit_padding(x)
        geometry = Geometry(self.stride, padding, self.dilation, self.groups)
        y = self.product(x, choose.convolution(self.context.engine, geometry, self.now, x, self.weight))
        return y if batched else y.squeeze(0)

    def _explicit_padding(self, x: Tensor) -> tuple[Tensor, tuple[int, ...]]:
        """The part of the padding that a convolution does; other modes, and an uneven ``same``, are padded here."""
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
