"""Residual networks of basic blocks (He et al., arXiv 1512.03385), with projection shortcuts (their option B)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lbt.models._network import Add, Network, conv_bn, conv_bn_relu, pool_flatten


class BasicBlock(nn.Module):
    """``relu(shortcut(x) + bn(conv(relu(bn(conv(x))))))``."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_bn_relu(inputs, outputs, stride=stride), conv_bn(outputs, outputs))
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv_bn(inputs, outputs, kernel=1, stride=stride)
        self.add = Add()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H/stride, W/stride)."""
        return self.relu(self.add(self.body(x), self.shortcut(x)))


def resnet(classes: int, channels: int, widths: Sequence[int], blocks: int, stem_stride: int) -> Network:
    """A stem and ``blocks`` basic blocks at each of ``widths``; every stage but the first halves the resolution."""
    layers: list[nn.Module] = [conv_bn_relu(channels, widths[0], stride=stem_stride)]
    inputs = widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            layers.append(BasicBlock(inputs, width, stride=2 if stage and not block else 1))
            inputs = width
    return Network(nn.Sequential(*layers, *pool_flatten()), inputs, classes)
