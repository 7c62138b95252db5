"""Emulated convolutions on the processor's int8 kernel, where it gives the bits of the float one.

As long as no partial sum reaches 2^24, float32 adds integers exactly and in any order, and so does int32. A sum is at
most 127 times the sum of the magnitudes of the weight's codes that are in it: known for every layer of up to 1,040
products, looked up in the weight's codes for longer ones. Beyond it the float kernel makes the product. The weight
gradient sums over all samples and positions, so that it stays in float.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lbt.kernels.int8 import direct
from lbt.kernels.int8.products import IntegerConv, takes
from lbt.kernels.operand import Operand
from lbt.nn.layers.conv import ConvKernel
from lbt.recipe import Roles

_CODE = 127
_EXACT = 2**24


@dataclass(frozen=True, slots=True)
class ExactConv(ConvKernel):
    """2-D convolution without groups; see the module."""

    reads_codes = (True, False)

    @property
    def integer(self) -> IntegerConv:
        """The same convolution on codes."""
        return IntegerConv(self.stride, self.padding, self.dilation, self.groups)

    def pays(self, roles: Roles, x: Tensor, weight: Tensor) -> bool:
        """Whether the formats fit int8 with one scale, and the int8 kernel takes forward product and error."""
        geometry = self.integer.geometry
        if x.dim() != 4 or x.device.type != "cpu" or not direct.reverses(geometry):
            return False
        if not (takes(roles.W) and takes(roles.A) and takes(roles.E) and direct.pays(x.shape, weight.shape)):
            return False
        size = geometry.output((x.shape[2], x.shape[3]), (weight.shape[2], weight.shape[3]))
        return direct.pays((len(x), weight.shape[0], *size), weight.shape)

    def forward(self, a: Operand, w: Operand) -> Tensor:
        return self.integer.forward(a, w) if _exact(w, 0) else ConvKernel.forward(self, a, w)

    def gradients(
        self, e: Operand, a: Operand | None, w: Operand | None, a_shape: torch.Size, w_shape: torch.Size
    ) -> tuple[Tensor | None, Tensor | None]:
        if w is None or not _exact(w, 1):
            return ConvKernel.gradients(self, e, a, w, a_shape, w_shape)
        dx = self.integer.gradients(e, None, w, a_shape, w_shape)[0]
        return dx, None if a is None else ConvKernel.gradients(self, e, a, None, a_shape, w_shape)[1]


def _exact(w: Operand, dim: int) -> bool:
    """Whether no sum over all but dimension ``dim`` of the weight can reach 2^24."""
    codes = w.codes
    assert codes is not None
    if codes.numel() // codes.shape[dim] * _CODE**2 < _EXACT:
        return True
    others = [d for d in range(codes.dim()) if d != dim]
    return bool(codes.abs().sum(others, dtype=torch.int32).amax() * _CODE < _EXACT)
