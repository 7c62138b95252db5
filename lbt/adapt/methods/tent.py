"""Tent (Wang et al., arXiv 2006.10726): entropy minimisation by the norm layers' scale and offset alone.

Source-free, label-free, and a fraction of a percent of the weights moves: the lightest gradient there is. Statistics
are the target's, gathered as training goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lbt.adapt import kit
from lbt.adapt.method import Base, Task
from lbt.config import Section

if TYPE_CHECKING:
    from torch import Tensor


class TentOptions(Section):
    """Entropy minimisation of the norm layers' affine parameters (arXiv 2006.10726)."""

    lr: float = Field(0.003, gt=0, le=100)
    """Learning rate of scale and offset; the classifier and the convolutions stay."""


class Method(Base):
    prepared = True
    uses_source = False
    batches_in_flight = 1

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.norms = kit.norm_layers(self.student)
        self.optimizers["norms"] = self.optimizer(*self.norms, lr=task.options(TentOptions).lr)

    def step(self, step: int) -> dict[str, Tensor | float]:
        self.student.requires_grad_(False)
        for norm in self.norms:
            norm.requires_grad_(True)
        (images,) = self.target(step)
        probabilities = self.forward(self.student, images, "target").softmax(1)
        self.balance.see(self.target_index(step), probabilities)
        loss = kit.entropy(probabilities)
        self.update(loss, self.schedule(step), "norms")
        return {"entropy": loss}
