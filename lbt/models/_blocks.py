"""Blocks of described networks."""

from __future__ import annotations

from torch import Tensor, nn

from lbt.models._network import Add, conv_bn, conv_bn_relu


class InvertedBottleneck(nn.Module):
    """Expand 1×1, depthwise k×k, project 1×1 without an activation (arXiv 1801.04381, table 1).

    A shortcut where the stride is 1 and the widths agree; no 1×1 convolution in front where the expansion is 1.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = conv_bn_relu(inputs, hidden, 1) if expansion > 1 else nn.Sequential()
        self.depthwise = conv_bn_relu(hidden, hidden, kernel, stride, groups=hidden)
        self.project = conv_bn(hidden, outputs, 1)
        self.add = Add() if stride == 1 and inputs == outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H/stride, W/stride)."""
        out = self.project(self.depthwise(self.expand(x)))
        return self.add(out, x) if self.add is not None else out
