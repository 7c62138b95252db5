"""Five strided convolutions for 32×32 digits: 141,034 parameters and 7.3 M multiply–accumulates for 3 channels.

Small enough that a training step with 64 images fits a single CPU core; strided at once, so that little is spent on
the full resolution. The width doubles where the resolution halves: 16² × 32, 8² × 64, 4² × 128.
"""

from __future__ import annotations

from torch import nn

from lbt.nn.models._network import Network, conv_bn_relu, pool_flatten


def build(classes: int, channels: int) -> Network:
    """``channels`` × 32 × 32 (or any even size of 8 and more) to ``classes`` logits."""
    features = nn.Sequential(
        conv_bn_relu(channels, 32, stride=2),
        conv_bn_relu(32, 32),
        conv_bn_relu(32, 64, stride=2),
        conv_bn_relu(64, 64),
        conv_bn_relu(64, 128, stride=2),
        *pool_flatten(),
    )
    return Network(features, 128, classes)
