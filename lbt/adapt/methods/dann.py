"""Domain-adversarial training (Ganin et al., arXiv 1505.07818): features from which the domain cannot be told.

A discriminator learns to tell source from target features; its gradient reaches the features reversed, with a weight
that rises over training (their section 5.2.2). The discriminator runs under the recipe like the rest.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from lbt.adapt import kit
from lbt.adapt.method import Base, Task
from lbt.config import Section

if TYPE_CHECKING:
    from torch import Tensor


class AdversarialOptions(Section):
    """DANN (arXiv 1505.07818) and CDAN (arXiv 1705.10667)."""

    weight: float = Field(0.3, ge=0, le=1e6)
    """Final weight of the reversed gradient; it rises as 2/(1+exp(-10 p))-1 with progress p."""
    hidden: int = Field(128, ge=1, le=65536)
    """Width of the domain discriminator's hidden layer."""


class Method(Base):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        width = self.width(task.model.classifier.in_features, len(task.source.classes))
        self.options = task.options(AdversarialOptions)
        hidden = self.options.hidden
        with kit.torch.random.fork_rng(devices=[]):
            kit.torch.manual_seed(task.seed)
            judge = kit.nn.Sequential(kit.nn.Linear(width, hidden), kit.nn.ReLU(), kit.nn.Linear(hidden, 1))
        self.judge = kit.quantize(judge, task.recipe, seed=task.seed).train()
        self.networks["discriminator"] = self.judge
        self.optimizers["discriminator"] = self.optimizer(self.judge)

    def width(self, features: int, classes: int) -> int:
        """Number of inputs of the discriminator."""
        return features

    def judged(self, features: Tensor, logits: Tensor) -> Tensor:
        """Input of the discriminator, (N, width)."""
        return features

    def weigh(self, logits: Tensor) -> Tensor:
        """Weight of each image in the discriminator's loss, (N,), mean 1."""
        return kit.torch.ones(len(logits))

    def step(self, step: int) -> dict[str, Tensor | float]:
        images, labels = self.source(step)
        (unlabelled,) = self.target(step)
        rise = 2 / (1 + math.exp(-10 * step / self.steps)) - 1
        source, source_logits = self.view(images, "source", rise)
        target, target_logits = self.view(unlabelled, "target", rise)

        source_loss = kit.F.cross_entropy(source_logits, labels)
        verdict = self.judge(kit.torch.cat([source, target])).flatten()
        truth = kit.torch.cat([kit.torch.ones(len(source)), kit.torch.zeros(len(target))])
        weights = kit.torch.cat([self.weigh(source_logits), self.weigh(target_logits)])
        domain_loss = kit.F.binary_cross_entropy_with_logits(verdict, truth, weights)

        self.update(source_loss + domain_loss, self.schedule(step))
        confused = 1 - ((verdict > 0) == (truth > 0)).float().mean()
        return {"source_loss": source_loss, "domain_loss": domain_loss, "domain_error": confused}

    def view(self, images: Tensor, name: str, rise: float) -> tuple[Tensor, Tensor]:
        """The discriminator's input, with its gradient reversed, and the logits."""
        with self.on(self.student, name):
            features, logits = kit.split(self.both, images, [self.student])
        return kit.reverse_gradient(self.judged(features, logits), rise * self.options.weight), logits

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits."""
        features = self.student.features(images)
        return features, self.student.classifier(features)
