"""All target labels: the upper bound of the gap that adaptation can close. No device has them."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from lbt.adapt.method import Base, Task


class Method(Base):
    uses_source = False
    needs_labels = True
    batches_in_flight = 1
    domains: ClassVar[tuple[str, ...]] = ("target",)

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.labels = task.target.labelled()

    def step(self, step: int) -> dict[str, Tensor | float]:
        images, labels = self.labelled(step)
        loss = F.cross_entropy(self.forward(self.student, images, "target"), labels)
        self.update(loss, self.schedule(step))
        return {"target_loss": loss}
