"""Networks of published accelerators, and the estimate of a training step on them.

Apart from :mod:`lbt.hardware.published`, whose recorded estimates are all that an answer needs.
"""

from __future__ import annotations

from torch import nn

from lbt import models
from lbt.hardware.boards import Board
from lbt.hardware.estimate import cost
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Precision
from lbt.hardware.published import Design

CLASSES = 10
"""Of a network that is given by its name."""


def network(design: Design) -> nn.Module:
    """The design's network."""
    if isinstance(design.layers, str):
        return _without_norms(models.build(design.layers, CLASSES, design.image[0]))
    layers: list[nn.Module] = []
    channels = design.image[0]
    for width in design.layers:
        if width == "pool":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers)


def _without_norms(model: nn.Module) -> nn.Module:
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    return model


def predict(design: Design) -> float:
    """The estimate of a training step, in 10⁹ operations per second."""
    options = HardwareParams(array=design.array, clock=design.clock, teacher=False)
    precision, board = Precision.uniform(design.precision), Board.load(design.board)
    found = cost(network(design), design.image, recipe=precision, board=board, batch=design.batch, options=options)
    return 2 * sum(row.work.macs for row in found.rows) / found.seconds / 1e9
