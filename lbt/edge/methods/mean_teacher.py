"""Mean teacher online (Tarvainen & Valpola 2017, arXiv 1703.01780, without labels; as in RMT, arXiv 2211.13081).

    L = mean of the symmetric cross-entropy of student(view of x) and teacher(x)
    teacher ← α·teacher + (1 - α)·student

The teacher's prediction is the answer. Both use the statistics of the batch, and all parameters move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lbt.edge import kit
from lbt.edge.knobs import Training
from lbt.edge.online import BatchStatistics, Device, follow

if TYPE_CHECKING:
    from torch import Tensor


class MeanTeacherOptions(Training):
    """A student that agrees with the average of its past (arXiv 1703.01780)."""

    teacher: float = Field(0.999, ge=0, lt=1)
    """α: decay of the teacher's moving average per batch."""


class Method(BatchStatistics):
    """Student and teacher."""

    trains = "all"

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.check_norms()
        self.options = device.options(MeanTeacherOptions)
        self.teacher = self.twin("teacher")
        self.train_by(self.options)

    def adapt(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        for network in self.networks.values():
            kit.use_batch(network)
        answer = self.infer(self.teacher, images)
        student = self.forward(self.view(images, step))
        self.update(kit.symmetric_cross_entropy(student, answer).mean())
        follow(self.teacher, self.network, self.options.teacher, set(self.named_parameters()))
        return answer.softmax(1)
