"""The params of the supernet stage. Light: importing this module does not import torch."""

from __future__ import annotations

from pydantic import Field

from lbt.config import Section, Seed


class SupernetParams(Section):
    """A weight-sharing network over NAS-Bench-201's cells, trained on one domain."""

    domain: str | None = None
    """The domain whose labelled train split the shared weights are trained on. Default: the source of the first pair
    in adapt.pair."""
    channels: int = Field(default=16, ge=1, le=256)
    """Width of the stem and of every cell."""
    cells: int = Field(default=2, ge=1, le=4)
    """Number of cells; between two cells the image is halved."""
    steps: int = Field(default=1500, ge=1, le=10_000_000)
    """Training steps; each one trains one architecture, drawn uniformly."""
    batch: int = Field(default=64, ge=2, le=65536)
    """Images per training step."""
    learning_rate: float = Field(default=0.1, gt=0, le=100)
    """Highest learning rate of SGD with Nesterov momentum 0.9; falls to 0 along a cosine."""
    weight_decay: float = Field(default=1e-4, ge=0, le=10)
    """L2 penalty per step on every weight."""
    architectures: int = Field(default=1000, ge=2, le=15625)
    """Number of different cells that are drawn from the space and scored."""
    seed: Seed = 0
    """Seed of the weights, the batches, the paths and the sample of architectures."""
