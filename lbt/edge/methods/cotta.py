"""CoTTA (Wang et al. 2022, arXiv 2203.13591): a teacher's averaged predictions, and weights that return at random.

    anchor confident (mean of max p_anchor ≥ threshold):  y = teacher(x)
    otherwise:                                            y = mean over the views of teacher(view of x)
    L = mean of -Σ softmax(y)·log p_student    teacher ← α·teacher + (1 - α)·student
    afterwards each weight of the student becomes the source's with probability ``restore``

The teacher's y is the answer. All three networks use the statistics of the batch, and all parameters move. The paper's
views are colour jitter, affine maps, blur, noise and flips; ours are the params' ``augmentation``, without the flip
that would make another digit of a digit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lbt.edge import kit
from lbt.edge.knobs import Training
from lbt.edge.online import BatchStatistics, Device, follow

if TYPE_CHECKING:
    from torch import Tensor


class CottaOptions(Training):
    """Averaged teacher and stochastic restoration (arXiv 2203.13591); the defaults are the paper's for CIFAR-10-C."""

    teacher: float = Field(0.999, ge=0, lt=1)
    """α: decay of the teacher's moving average per batch."""
    restore: float = Field(0.01, ge=0, le=1)
    """Probability with which a weight returns to the source's after a batch."""
    threshold: float = Field(0.92, ge=0, le=1)
    """Mean confidence of the source's network from which on the views are not needed."""
    views: int = Field(32, ge=1, le=10_000)
    """Augmented views that the teacher averages over; they are most of the work."""


class Method(BatchStatistics):
    """Student, teacher and the source's network."""

    trains = "all"

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.check_norms()
        self.options = device.options(CottaOptions)
        self.teacher, self.anchor = self.twin("teacher"), self.twin("anchor")
        self.train_by(self.options)

    def adapt(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        for network in self.networks.values():
            kit.use_batch(network)
        student = self.forward(images)
        answer = self.answer(images, step)
        self.update(kit.cross_entropy(student, answer).mean())
        moving = self.named_parameters()
        follow(self.teacher, self.network, self.options.teacher, set(moving))
        self.restore(step)
        return answer.softmax(1)

    def answer(self, images: Tensor, step: int) -> Tensor:
        """The teacher's logits (B, K), averaged over views where the source's network is not confident."""
        confidence = self.infer(self.anchor, images).softmax(1).amax(1).mean()
        if confidence >= self.options.threshold:
            return self.infer(self.teacher, images)
        views = range(self.options.views)
        return kit.torch.stack([self.infer(self.teacher, self.view(images, step, v)) for v in views]).mean(0)

    def restore(self, step: int) -> None:
        """Put each weight of the student back to the source's with the probability ``restore``."""
        source = dict(self.anchor.named_parameters())
        with kit.torch.no_grad():
            for name, p in self.named_parameters().items():
                random = kit.generator(self.device.params.seed, "restore", name, step)
                back = kit.torch.rand(p.shape, generator=random) < self.options.restore
                p.copy_(kit.torch.where(back, source[name], p))
