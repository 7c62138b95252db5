"""SHOT (Liang et al., arXiv 2002.08546): source-free; the classifier is kept, the features move under it.

Information maximisation (every prediction certain, all classes predicted; eq. 3) and cross-entropy with pseudo-labels:
the nearest class centroid of the target's features under the cosine distance (eqs. 4-6), computed anew now and then.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lbt.adapt.losses import diversity, entropy
from lbt.adapt.method import Base, Task
from lbt.nn.parallel import split


class Method(Base):
    prepared = True
    uses_source = False
    graphs = 1

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.optimizers["features"] = self.optimizer(self.student.features)
        self.pseudo = torch.zeros(len(task.target), dtype=torch.int64)

    def step(self, step: int) -> dict[str, Tensor | float]:
        if step % self.params.shot.refresh == 0:
            self.pseudo = self.centroid_labels()
        (images,) = self.target(step)
        labels = self.pseudo[self.target_index(step)]
        logits = self.forward(self.student, images, "target")
        probabilities = logits.softmax(1)
        self.balance.see(self.target_index(step), probabilities)
        certain, spread = entropy(probabilities), diversity(probabilities, self.balance.mix)
        pseudo_loss = F.cross_entropy(logits, labels)
        self.update(certain + spread + self.params.shot.pseudo * pseudo_loss, self.schedule(step), "features")
        return {"entropy": certain, "diversity": spread, "pseudo_loss": pseudo_loss}

    @torch.no_grad()
    def centroid_labels(self) -> Tensor:
        """The nearest centroid's class of every target image, (N,).

        Centroids are weighted by the class probabilities first, then by the labels that these give. Every image counts
        as often as it is drawn, so that a frequent class does not fill a rare one's centroid.
        """
        with self.on(self.student, "target"):
            pieces = self.task.target.images.split(256)
            parts = [split(self.student.features, piece, [self.student]) for piece in pieces]
        features = torch.cat(parts)  # (N, D)
        weights = self.student.classifier(features).softmax(1)  # (N, K)
        unit = F.normalize(features, dim=1)
        for _ in range(2):
            weights = weights * self.balance.weights[:, None]
            centroids = F.normalize(weights.T @ unit / (weights.sum(0)[:, None] + 1e-8), dim=1)  # (K, D)
            labels = (unit @ centroids.T).argmax(1)
            weights = F.one_hot(labels, weights.shape[1]).float()
        return labels

    def extra_state(self) -> dict[str, Tensor]:
        return {"pseudo": self.pseudo, **super().extra_state()}

    def load_extra_state(self, state: dict[str, Tensor]) -> None:
        super().load_extra_state(state)
        self.pseudo = state["pseudo"]
