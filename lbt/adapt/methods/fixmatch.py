"""FixMatch (Sohn et al., arXiv 2001.07685) on the target: k labels per class, and the rest without labels.

The prediction on a weakly augmented image (a shift) becomes the label of a strongly augmented view of it (the pair's
augmentation) where it is confident. Needs no source data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lbt.adapt import kit
from lbt.adapt.method import Base, Task
from lbt.config import Section

if TYPE_CHECKING:
    from torch import Tensor


class FixmatchOptions(Section):
    """FixMatch (arXiv 2001.07685): few target labels and the unlabelled rest."""

    confidence: float = Field(0.95, ge=0, le=1)
    """A pseudo-label counts only if the largest probability on the weak view exceeds this."""
    weight: float = Field(1.0, ge=0, le=1e6)
    """Weight of the unlabelled loss."""


class Method(Base):
    prepared = True
    uses_source = False
    needs_labels = few_labels = True

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.options = task.options(FixmatchOptions)
        self.labels = self.few()

    def step(self, step: int) -> dict[str, Tensor | float]:
        images, labels = self.labelled(step)
        target_loss = kit.F.cross_entropy(self.forward(self.student, images, "target"), labels)

        weak, strong = self.target(step, "standard", self.task.augmentation)
        with kit.torch.no_grad():
            confidence, pseudo = self.forward(self.student, weak, "target").softmax(1).max(1)
        mask = (confidence > self.options.confidence).float()
        each = kit.F.cross_entropy(self.forward(self.student, strong, "target"), pseudo, reduction="none")
        consistency = (each * mask).mean()

        self.update(target_loss + self.options.weight * consistency, self.schedule(step))
        return {"target_loss": target_loss, "consistency": consistency, "mask_rate": mask.mean()}
