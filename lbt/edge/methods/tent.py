"""Tent (Wang et al. 2021, arXiv 2006.10726): each batch lowers its entropy by the norms' scale and offset alone.

L = mean over the batch of H(p)    p: predictions with the statistics of the batch, which are the answer too
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbt.edge import kit
from lbt.edge.knobs import Training
from lbt.edge.online import BatchStatistics, Device

if TYPE_CHECKING:
    from torch import Tensor


class TentOptions(Training):
    """Entropy minimisation (arXiv 2006.10726); the defaults are the paper's for CIFAR-10-C."""


class Method(BatchStatistics):
    """Entropy of every image."""

    trains = "norms"

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.train_by(device.options(TentOptions))

    def adapt(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        kit.use_batch(self.network)
        logits = self.forward(images)
        self.update(kit.entropies(logits).mean())
        return logits.detach().softmax(1)
