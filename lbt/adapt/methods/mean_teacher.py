"""Self-ensembling (French, Mackiewicz and Fisher 2018, arXiv 1706.05208): the teacher is an average of past students.

The student learns the source's labels, and on target images to agree with the teacher, which sees another augmentation
of the same image and counts only where it is confident. The teacher's view is by default a weaker one (ours; the paper
augments both alike): what inverted colours or a bent digit hide from it, it cannot teach. The teacher's weights are the
exponential moving average of the student's; its forward pass uses the recipe, the average itself is kept in float32,
because a step of 1 - ema = 0.01 of a small update is far below an 8-bit weight's resolution. Statistics are kept apart
per domain and per network: the teacher gathers its own on the target; on the source, which it never sees, they are the
average of the student's.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

from pydantic import Field

from lbt.adapt import kit
from lbt.adapt.method import Base, Task
from lbt.config import Section
from lbt.train.params import Augmentation

if TYPE_CHECKING:
    from torch import Tensor


class MeanTeacherOptions(Section):
    """Self-ensembling (arXiv 1706.05208)."""

    weight: float = Field(10.0, ge=0, le=1e6)
    """Weight of the squared difference between the student's and the teacher's class probabilities."""
    teacher_augmentation: Augmentation | None = "standard"
    """Random change of the images that the teacher sees; the student sees the pair's. null: as the student."""
    ema: float = Field(0.99, ge=0, lt=1)
    """Decay of the teacher's moving average per step."""
    confidence: float = Field(0.9, ge=0, le=1)
    """A target image counts only if the teacher's largest probability exceeds this; 0 uses every image."""
    ramp_up: int = Field(0, ge=0, le=10_000_000)
    """Steps over which the weight rises as exp(-5(1-t)²), the alternative to a threshold."""
    class_balance: float = Field(3.0, ge=0, le=1e6)
    """Weight of the class-balance term, relative to ``weight``."""


class Method(Base):
    averaged = ("teacher",)

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.options = task.options(MeanTeacherOptions)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.networks["teacher"] = self.teacher

    def step(self, step: int) -> dict[str, Tensor | float]:
        loss, shown = self.losses(step)
        self.update(loss, self.schedule(step))
        self.follow()
        return shown

    def losses(self, step: int) -> tuple[Tensor, dict[str, Tensor | float]]:
        """Labelled source loss plus unlabelled target loss, and what the curve shows."""
        images, labels = self.source(step)
        source_loss = kit.F.cross_entropy(self.forward(self.student, images, "source"), labels)

        kind = self.task.augmentation
        mine, other = self.target(step, kind, self.options.teacher_augmentation or kind)
        student = self.forward(self.student, mine, "target").softmax(1)
        with kit.torch.no_grad():
            teacher = self.forward(self.teacher, other, "target").softmax(1)
        mask = (teacher.amax(1) > self.options.confidence).float()
        # The sum over confident images is divided by the whole batch: few confident images must not weigh a lot.
        consistency = ((student - teacher).square().sum(1) * mask).mean()
        self.balance.see(self.target_index(step), teacher)
        balance = kit.class_balance(student, self.balance.mix) * mask.mean()
        unlabelled = self.options.weight * (consistency + self.options.class_balance * balance)

        shown: dict[str, Tensor | float] = {
            "source_loss": source_loss,
            "consistency": consistency,
            "class_balance": balance,
            "mask_rate": mask.mean(),
        }
        return source_loss + self.ramp(step) * unlabelled, shown

    def ramp(self, step: int) -> float:
        """Factor of the unlabelled loss: 1, or the rise of arXiv 1610.02242 over ``ramp_up`` steps."""
        progress = min(1.0, step / self.options.ramp_up) if self.options.ramp_up else 1.0
        return math.exp(-5 * (1 - progress) ** 2)

    def follow(self) -> None:
        """Move the teacher's weights a little towards the student's, and the statistics that it cannot gather."""
        with kit.torch.no_grad():
            for mine, students in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
                mine.lerp_(students, 1 - self.options.ema)
            common = self.params.statistics in ("domain", "shared")
            for (name, buffer), students_own in zip(self.teacher.named_buffers(), self.student.buffers(), strict=True):
                unseen = name.endswith("@source") and len(self.statistics()) > 1
                if common or (unseen and not buffer.is_floating_point()):
                    buffer.copy_(students_own)
                elif unseen:
                    buffer.lerp_(students_own, 1 - self.options.ema)
