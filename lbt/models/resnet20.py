"""ResNet-20 for 32×32 images (arXiv 1512.03385, section 4.2): 3 stages of 3 blocks, widths 16, 32, 64."""

from __future__ import annotations

from lbt.models._network import Network
from lbt.models._resnet import resnet


def build(classes: int, channels: int) -> Network:
    """``channels`` × 32 × 32 to ``classes`` logits."""
    return resnet(classes, channels, widths=(16, 32, 64), blocks=3, stem_stride=1)
