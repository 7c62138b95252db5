"""AdaBN (Li et al., arXiv 1603.04779): only the batch-norm statistics are estimated anew, on the target.

After the same training on the source as ``source_only``, one pass over the target images sets each norm layer's mean
and variance to their plain average over the pass. No label, no gradient, no source data on the device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lbt.adapt import kit
from lbt.adapt.method import Base


class Method(Base):
    prepared = True
    uses_source = False
    batches_in_flight = 0

    @property
    def steps(self) -> int:
        return max(1, len(self.task.target) // self.params.batch)

    @torch.no_grad()
    def step(self, step: int) -> dict[str, Tensor | float]:
        for norm in kit.norm_layers(self.student):
            norm.momentum = 1 / (step + 1)  # type: ignore[assignment]  # running average with these weights = plain average over the pass
        self.forward(self.student, self.pixels(step), "target")
        return {}

    def pixels(self, step: int) -> Tensor:
        """The target images as they are; consecutive pieces cover a balanced training split."""
        if self.balance.even:
            first = step * self.params.batch
            return self.task.target.images[first : first + self.params.batch]
        return self.task.target.images[self.target_index(step)]
