"""RoTTA (Yuan et al. 2023, arXiv 2303.13899): for streams whose classes arrive in runs.

Robust batch norm folds α of each memory batch into the statistics; a memory holds N images, balanced by predicted
class, that are recent and certain; a student learns on it from a teacher, its moving average, by recency:

    L = mean over the memory of E(age)·(-Σ p_teacher(x)·log p_student(view of x))    E(a) = exp(-a)/(1 + exp(-a))
    teacher ← (1 - ν)·teacher + ν·student    a: age in images, as a share of N

The teacher's prediction is the answer, with its running statistics. Difference: a gradient takes the statistics for
constants, where the published code lets α of it through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lbt.edge import kit
from lbt.edge.knobs import Training
from lbt.edge.memory import Memory
from lbt.edge.online import Base, Device, follow

if TYPE_CHECKING:
    from torch import Tensor


class RottaOptions(Training):
    """Robust statistics and a balanced memory (arXiv 2303.13899); the defaults are the paper's."""

    statistics: float = Field(0.05, gt=0, le=1)
    """α: share of a memory batch in the running statistics."""
    teacher: float = Field(0.001, gt=0, le=1)
    """ν: share of the student in the teacher's moving average per update."""
    memory: int = Field(64, ge=1, le=1_000_000)
    """N: images that are kept; also the number of images between two updates."""
    age_weight: float = Field(1.0, ge=0, le=1e6)
    """λ_t: weight of an image's age in the choice of what is dropped."""
    doubt_weight: float = Field(1.0, ge=0, le=1e6)
    """λ_u: weight of its entropy."""


class Method(Base):
    """Student, teacher, memory."""

    trains = "norms"

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.options = device.options(RottaOptions)
        self.images_kept = self.options.memory
        self.teacher = self.twin("teacher")
        self.train_by(self.options)
        self.memory = Memory(self.options.memory, self.options.age_weight, self.options.doubt_weight, self.extra)

    def load(self, state: dict[str, object]) -> None:
        super().load(state)
        self.memory.held = self.extra

    def adapt(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        probabilities = self.predict(images)
        entropy = -(probabilities * (probabilities + 1e-6).log()).sum(1)
        for number, image in enumerate(images):
            self.memory.add(image, probabilities[number].argmax(), entropy[number], probabilities.shape[1])
            if self.memory.seen % self.options.memory == 0:
                self._update(step, number)
        return probabilities

    def _update(self, step: int, number: int) -> None:
        images, ages = self.extra["images"], self.extra["age"] / self.options.memory
        for network in self.networks.values():
            kit.use_batch(network)
        with kit.folded(self.teacher, self.options.statistics), kit.folded(self.network, self.options.statistics):
            answer = self.infer(self.teacher, images)
            student = self.forward(self.view(images, step, number))
            losses = kit.cross_entropy(student, answer) * (-ages).sigmoid()
            self.update(losses.mean())
        follow(self.teacher, self.network, 1 - self.options.teacher, set(self.named_parameters()))
