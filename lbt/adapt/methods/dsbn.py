"""Domain-specific batch norm (Chang et al., arXiv 1906.03950): statistics *and* scale and offset per domain.

Convolutions are shared; each domain has its own norm layers. The target's are trained with pseudo-labels, as in the
paper's second stage: a target image counts with its predicted class where the prediction is confident; as in FixMatch
(arXiv 2001.07685), a weakly augmented view says the class, and a strongly augmented one learns it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbt.adapt import kit
from lbt.adapt.method import Base, Task
from lbt.adapt.methods.fixmatch import FixmatchOptions


class Method(Base):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.norms = kit.norm_layers(self.student)
        # The student keeps the target's scale and offset, so that it can be deployed as it is; the source's are aside.
        self.aside = nn.ParameterList(nn.Parameter(p.detach().clone()) for norm in self.norms for p in affine(norm))
        self.networks["source_affine"] = self.aside
        self.optimizers["source_affine"] = self.optimizer(self.aside)

    @contextlib.contextmanager
    def on(self, network: nn.Module, name: str) -> Iterator[nn.Module]:
        with super().on(network, name):
            if name == "target":
                yield network
                return
            own = [affine(norm) for norm in self.norms]
            for index, norm in enumerate(self.norms):
                norm.weight, norm.bias = self.aside[2 * index], self.aside[2 * index + 1]
            try:
                yield network
            finally:
                for norm, (weight, bias) in zip(self.norms, own, strict=True):
                    norm.weight, norm.bias = weight, bias

    def step(self, step: int) -> dict[str, Tensor | float]:
        images, labels = self.source(step)
        source_loss = F.cross_entropy(self.forward(self.student, images, "source"), labels)

        plain, changed = self.target(step, "standard", self.task.augmentation)
        options = self.task.options(FixmatchOptions)
        with torch.no_grad():
            probabilities = self.forward(self.student, plain, "target").softmax(1)
        self.balance.see(self.target_index(step), probabilities)
        confidence, pseudo = probabilities.max(1)
        mask = (confidence > options.confidence).float()
        each = F.cross_entropy(self.forward(self.student, changed, "target"), pseudo, reduction="none")
        target_loss = (each * mask).mean()

        self.update(source_loss + options.weight * target_loss, self.schedule(step))
        return {"source_loss": source_loss, "target_loss": target_loss, "mask_rate": mask.mean()}


def affine(norm: nn.Module) -> tuple[nn.Parameter, nn.Parameter]:
    """Scale and offset of a norm layer, each (C,)."""
    return norm.weight, norm.bias  # type: ignore[return-value]
