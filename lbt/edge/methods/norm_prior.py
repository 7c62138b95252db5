"""Norm with a source prior (Schneider et al. 2020, arXiv 2006.16971, equation 2): the source's statistics weigh as N
images beside the n of the batch.

    μ = N/(N + n)·μ_source + n/(N + n)·μ_batch    and the same for σ²
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lbt.config import Section
from lbt.edge import kit
from lbt.edge.online import Base, Device

if TYPE_CHECKING:
    from torch import Tensor


class NormPriorOptions(Section):
    """Batch statistics with a source prior (arXiv 2006.16971)."""

    prior: float = Field(16, ge=0, le=1e9)
    """N: images that the source's statistics count for; 0 is the method ``norm``."""


class Method(Base):
    """Statistics of the batch, pulled towards the source's."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.prior = device.options(NormPriorOptions).prior
        self.check_norms()

    def predict(self, images: Tensor) -> Tensor:
        kit.use_running(self.network)
        with kit.kept_statistics(self.network), kit.folded(self.network, len(images) / (self.prior + len(images))):
            return self.infer(self.network, images).softmax(1)
