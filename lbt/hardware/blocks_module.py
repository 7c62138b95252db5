"""A chain of inverted bottlenecks as a torch module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from lbt.models._network import Add, Network, conv_bn, pool_flatten

if TYPE_CHECKING:
    from lbt.hardware.blocks import Block, Chain


class Squeeze(nn.Module):
    """Squeeze-and-excite (arXiv 1709.01507): x · hardsigmoid(W₂·relu(W₁·mean(x)))."""

    def __init__(self, channels: int, between: int) -> None:
        super().__init__()
        self.gates = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, between, 1), nn.ReLU(), nn.Conv2d(between, channels, 1),
            nn.Hardsigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        gates: Tensor = self.gates(x)
        return x * gates


class InvertedBottleneck(nn.Module):
    """One :class:`~lbt.hardware.blocks.Block`."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if block.hidden != block.inputs:
            layers.append(conv_bn(block.inputs, block.hidden, 1).append(nn.ReLU()))
        layers.append(_depthwise(block).append(nn.ReLU()))
        if block.squeeze:
            layers.append(Squeeze(block.hidden, block.squeeze))
        layers.append(conv_bn(block.hidden, block.outputs, 1))
        self.body = nn.Sequential(*layers)
        self.add = Add() if block.adds else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H/stride, W/stride)."""
        y: Tensor = self.body(x)
        return y if self.add is None else self.add(y, x)


def network(chain: Chain) -> Network:
    """The module of ``chain``, freshly initialised."""
    space = chain.space
    layers: list[nn.Module] = [
        conv_bn(space.channels, space.stem.width, space.stem.kernel, space.stem.stride).append(nn.ReLU()),
        *(InvertedBottleneck(block) for block in chain.blocks),
    ]
    width = chain.blocks[-1].outputs
    if space.head:
        layers.append(conv_bn(width, space.head, 1).append(nn.ReLU()))
        width = space.head
    return Network(nn.Sequential(*layers, *pool_flatten()), width, space.classes)


def _depthwise(block: Block) -> nn.Sequential:
    layer = conv_bn(block.hidden, block.hidden, block.kernel, block.stride)
    layer[0] = nn.Conv2d(
        block.hidden, block.hidden, block.kernel, block.stride, block.kernel // 2, groups=block.hidden, bias=False
    )
    return layer
