"""The base of the networks: the split into features and classifier, and the convolution block."""

from __future__ import annotations

from torch import Tensor, nn

from lbt.nn.layers.flow import Add as Add  # the sum of two branches, as a module so that a converter can see it


class Network(nn.Module):
    """``classifier(features(x))``.

    Args:
        features: maps (N, C, H, W) to (N, ``width``).
        width: number of features.
        classes: number of logits.
    """

    def __init__(self, features: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.features = features
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, (N, classes)."""
        return self.classifier(self.features(x))


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution (no bias) and batch norm, He-initialised; "same" padding of an odd kernel.

    A grouped convolution is initialised by its fan-in: PyTorch's fan-out counts the channels of all groups.
    """
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out" if groups == 1 else "fan_in", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def conv_bn_relu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """:func:`conv_bn` and a ReLU."""
    return conv_bn(inputs, outputs, kernel, stride, groups).append(nn.ReLU(inplace=True))


def pool_flatten() -> list[nn.Module]:
    """Global average pooling: (N, D, H, W) to (N, D)."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
