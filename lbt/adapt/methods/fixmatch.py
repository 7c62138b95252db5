"""FixMatch (Sohn et al., arXiv 2001.07685) on the target: k labels per class, and the rest without labels.

The prediction on a weakly augmented image (a shift) becomes the label of a strongly augmented view of it (the pair's
augmentation) where it is confident. Needs no source data.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lbt.adapt.method import Base, Task


class Method(Base):
    prepared = True
    uses_source = False
    needs_labels = few_labels = True

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.labels = self.few()

    def step(self, step: int) -> dict[str, Tensor | float]:
        images, labels = self.labelled(step)
        target_loss = F.cross_entropy(self.forward(self.student, images, "target"), labels)

        options = self.params.fixmatch
        weak, strong = self.target(step, "standard", self.task.augmentation)
        with torch.no_grad():
            confidence, pseudo = self.forward(self.student, weak, "target").softmax(1).max(1)
        mask = (confidence > options.confidence).float()
        each = F.cross_entropy(self.forward(self.student, strong, "target"), pseudo, reduction="none")
        consistency = (each * mask).mean()

        self.update(target_loss + options.weight * consistency, self.schedule(step))
        return {"target_loss": target_loss, "consistency": consistency, "mask_rate": mask.mean()}
