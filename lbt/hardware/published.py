"""Published accelerators that train: their measured throughput beside the estimate of the same array on the same board.

A file ``params/published/NAME.yaml`` describes one design. The ratios of all of them are the estimate's uncertainty,
which ``lbt cost`` prints beside its throughput.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from lbt import models
from lbt.config import Section, find_yaml, load_yaml, yaml_names
from lbt.hardware.boards import Board
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Precision

Channels = Annotated[int, Field(ge=1, le=65536)]

CLASSES = 10
"""Of a network that is given by its name."""


class Design(Section):
    """One published design, and the network that it was measured with."""

    board: str
    """Name of a file in params/boards."""
    clock: float = Field(gt=0, le=2000)
    """Clock of the design in MHz."""
    array: str
    """Rows × columns of its multiply-accumulators."""
    precision: str
    """Format of W, A, E and G, as :meth:`lbt.hardware.precision.Precision.uniform` reads it."""
    batch: int = Field(ge=1, le=65536)
    """Images per training step."""
    image: tuple[Channels, Channels, Channels]
    """Channels, height and width of an image."""
    layers: tuple[Channels | Literal["pool"], ...] | str
    """Output channels of its 3×3 convolutions, each with a ReLU, and 2×2 poolings; or the name of a network of lbt's,
    whose batch norms are left out."""
    measured: float = Field(gt=0)
    """Published throughput in 10⁹ operations per second; a multiply-accumulate is two."""
    predicted: float = Field(gt=0)
    """The estimate for the same array, by ``benchmarks/hardware.py``; a test remakes it."""
    source: str
    """Where the numbers are from, and what is assumed."""

    @classmethod
    def load(cls, name: str) -> Design:
        """The design called ``name``.

        Raises:
            LbtError: no such design, or a missing, unknown or negative field.
        """
        return load_yaml(find_yaml("published", name), cls)

    @staticmethod
    def names() -> list[str]:
        """Names that :meth:`load` knows."""
        return yaml_names("published")


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
    from lbt.hardware.estimate import cost

    options = HardwareParams(array=design.array, clock=design.clock, teacher=False)
    precision, board = Precision.uniform(design.precision), Board.load(design.board)
    found = cost(network(design), design.image, recipe=precision, board=board, batch=design.batch, options=options)
    return 2 * sum(row.work.macs for row in found.rows) / found.seconds / 1e9


@cache
def spread() -> tuple[float, ...]:
    """Measured over predicted throughput of every design, in ascending order."""
    return tuple(sorted(one.measured / one.predicted for one in map(Design.load, Design.names())))


def remark(ratios: Sequence[float]) -> str:
    """The uncertainty in words, such as ``0.5–1.1 × of this in 4 published designs``; empty without a design."""
    if not ratios:
        return ""
    low, high = f"{min(ratios):.1f}", f"{max(ratios):.1f}"
    designs = "published design" if len(ratios) == 1 else "published designs"
    return f"{low if low == high else f'{low}–{high}'} × of this in {len(ratios)} {designs}"
