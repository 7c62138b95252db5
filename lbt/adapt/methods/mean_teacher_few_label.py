"""Mean teacher with k labelled target images per class: their cross-entropy is added to the student's losses."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from lbt.adapt.method import Task
from lbt.adapt.methods import mean_teacher


class Method(mean_teacher.Method):
    needs_labels = few_labels = True
    batches_in_flight = 3

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.labels = self.few()

    def losses(self, step: int) -> tuple[Tensor, dict[str, Tensor | float]]:
        loss, shown = super().losses(step)
        images, labels = self.labelled(step)
        target_loss = F.cross_entropy(self.forward(self.student, images, "target"), labels)
        return loss + target_loss, {**shown, "target_loss": target_loss}
