"""SHOT (Liang et al., arXiv 2002.08546): source-free; the classifier is kept, the features move under it.

Information maximisation (every prediction certain, all classes predicted; eq. 3) and cross-entropy with pseudo-labels:
the nearest class centroid of the target's features under the cosine distance (eqs. 4-6), computed anew now and then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lbt.adapt import kit
from lbt.adapt.method import Base, Task
from lbt.config import Section

if TYPE_CHECKING:
    from torch import Tensor


class ShotOptions(Section):
    """Source hypothesis transfer (arXiv 2002.08546)."""

    pseudo: float = Field(0.3, ge=0, le=1e6)
    """Weight of the cross-entropy with pseudo-labels from nearest class centroids."""
    refresh: int = Field(50, ge=1, le=10_000_000)
    """Steps between two computations of the pseudo-labels."""


class Method(Base):
    prepared = True
    uses_source = False
    batches_in_flight = 1

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.options = task.options(ShotOptions)
        self.optimizers["features"] = self.optimizer(self.student.features)
        self.pseudo = kit.torch.zeros(len(task.target), dtype=kit.torch.int64)

    def step(self, step: int) -> dict[str, Tensor | float]:
        if step % self.options.refresh == 0:
            self.pseudo = self.centroid_labels()
        (images,) = self.target(step)
        labels = self.pseudo[self.target_index(step)]
        logits = self.forward(self.student, images, "target")
        probabilities = logits.softmax(1)
        self.balance.see(self.target_index(step), probabilities)
        certain, spread = kit.entropy(probabilities), kit.diversity(probabilities, self.balance.mix)
        pseudo_loss = kit.F.cross_entropy(logits, labels)
        self.update(certain + spread + self.options.pseudo * pseudo_loss, self.schedule(step), "features")
        return {"entropy": certain, "diversity": spread, "pseudo_loss": pseudo_loss}

    def centroid_labels(self) -> Tensor:
        """The nearest centroid's class of every target image, (N,).

        Centroids are weighted by the class probabilities first, then by the labels that these give. Every image counts
        as often as it is drawn, so that a frequent class does not fill a rare one's centroid.
        """
        with kit.torch.no_grad():
            with self.on(self.student, "target"):
                pieces = self.task.target.images.split(256)
                parts = [kit.split(self.student.features, piece, [self.student]) for piece in pieces]
            features = kit.torch.cat(parts)  # (N, D)
            weights = self.student.classifier(features).softmax(1)  # (N, K)
            unit = kit.F.normalize(features, dim=1)
            for _ in range(2):
                weights = weights * self.balance.weights[:, None]
                centroids = kit.F.normalize(weights.T @ unit / (weights.sum(0)[:, None] + 1e-8), dim=1)  # (K, D)
                labels = (unit @ centroids.T).argmax(1)
                weights = kit.F.one_hot(labels, weights.shape[1]).float()
            return labels

    def extra_state(self) -> dict[str, Tensor]:
        return {"pseudo": self.pseudo, **super().extra_state()}

    def load_extra_state(self, state: dict[str, Tensor]) -> None:
        super().load_extra_state(state)
        self.pseudo = state["pseudo"]
