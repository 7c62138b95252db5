"""Maximum classifier discrepancy (Saito et al., arXiv 1712.02560): two classifiers find what the features must repair.

Each step: (A) everything learns the source; (B) the two classifiers, still right on the source, disagree on the target
as much as they can; (C) the features make them agree. Three updates a step, so about three times the arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lbt.adapt import kit
from lbt.adapt.method import Base, Task
from lbt.config import Section

if TYPE_CHECKING:
    from torch import Tensor


class McdOptions(Section):
    """Maximum classifier discrepancy (arXiv 1712.02560)."""

    weight: float = Field(1.0, ge=0, le=1e6)
    """Weight of the discrepancy between the two classifiers."""
    repeats: int = Field(2, ge=1, le=8)
    """Generator updates per step (the paper's n; it uses 4)."""


class Method(Base):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.options = task.options(McdOptions)
        first = task.model.classifier
        with kit.torch.random.fork_rng(devices=[]):
            kit.torch.manual_seed(task.seed)
            second = kit.nn.Sequential(kit.nn.Linear(first.in_features, first.out_features))
        self.second = kit.share_model(kit.quantize(second, task.recipe, seed=task.seed)).train()
        self.networks["second_classifier"] = self.second
        self.optimizers = {
            "features": self.optimizer(self.student.features),
            "classifiers": self.optimizer(self.student.classifier, self.second),
        }

    def step(self, step: int) -> dict[str, Tensor | float]:
        images, labels = self.source(step)
        (unlabelled,) = self.target(step)
        weight, factor = self.options.weight, self.schedule(step)

        source_loss = self.supervised(images, labels)
        self.update(source_loss, factor)

        both = self.supervised(images, labels) - weight * self.discrepancy(unlabelled)
        self.update(both, factor, "classifiers")

        for _ in range(self.options.repeats):
            discrepancy = self.discrepancy(unlabelled)
            self.update(weight * discrepancy, factor, "features")
        return {"source_loss": source_loss, "discrepancy": discrepancy}

    def logits(self, images: Tensor, name: str) -> tuple[Tensor, Tensor]:
        """Both classifiers' logits."""
        with self.on(self.student, name):
            return kit.split(self.both, images, [self.student, self.second])

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Both classifiers' logits of this process's images."""
        features = self.student.features(images)
        return self.student.classifier(features), self.second(features)

    def supervised(self, images: Tensor, labels: Tensor) -> Tensor:
        """Sum of both classifiers' cross-entropies on the source."""
        one, two = self.logits(images, "source")
        return kit.F.cross_entropy(one, labels) + kit.F.cross_entropy(two, labels)

    def discrepancy(self, images: Tensor) -> Tensor:
        """Mean absolute difference of the two classifiers' probabilities (their eq. 9)."""
        one, two = self.logits(images, "target")
        return (one.softmax(1) - two.softmax(1)).abs().mean()
