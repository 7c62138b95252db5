"""A short residual network for small photos: one block at each of the widths 32, 64, 128, 256, strided stem."""

from __future__ import annotations

from lbt.models._network import Network
from lbt.models._resnet import resnet


def build(classes: int, channels: int) -> Network:
    """``channels`` × H × W (32 to 128 pixels a side) to ``classes`` logits."""
    return resnet(classes, channels, widths=(32, 64, 128, 256), blocks=1, stem_stride=2)
