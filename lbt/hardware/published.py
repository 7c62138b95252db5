"""Published accelerators that train: their measured throughput beside the estimate of the same array on the same board.

A file ``params/published/NAME.yaml`` describes one design; :mod:`lbt.hardware.published_networks` makes its estimate.
The ratios of all of them are the uncertainty that ``lbt cost`` prints beside its throughput.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from lbt.config import Section, find_yaml, load_yaml, yaml_names

Channels = Annotated[int, Field(ge=1, le=65536)]


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
