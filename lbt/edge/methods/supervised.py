"""Supervised: the labels of each batch are learnt after it was predicted. No device has them: the upper bound.

All parameters move, by the cross-entropy, with the statistics of the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbt.edge import kit
from lbt.edge.knobs import Training
from lbt.edge.online import BatchStatistics, Device

if TYPE_CHECKING:
    from torch import Tensor


class SupervisedOptions(Training):
    """The bound that uses labels."""


class Method(BatchStatistics):
    """Cross-entropy with the labels."""

    trains = "all"
    needs_labels = True

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.check_norms()
        self.train_by(device.options(SupervisedOptions))

    def adapt(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        kit.use_batch(self.network)
        logits = self.forward(images)
        known = labels >= 0
        if known.any():
            self.update(kit.F.cross_entropy(logits[known], labels[known]))
        return logits.detach().softmax(1)
