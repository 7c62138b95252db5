"""EATA (Niu et al. 2022, arXiv 2204.02610): Tent on images that are reliable and not redundant, held near the source.

    S_ent = [H(p) < E₀]·exp(E₀ - H(p))    S_div = [|cos(p, m)| < ε]    m ← 0.9·m + 0.1·mean of the chosen p
    L = mean over the chosen images of S_ent·H(p) + β·Σ F_i·(w_i - w_i⁰)²

F is the diagonal of the Fisher information on the source, with the network's own predictions as labels. It is measured
before deployment; F and the weights w⁰ are kept on the device.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from lbt.edge import kit
from lbt.edge.knobs import OptimizerName, Training
from lbt.edge.online import BatchStatistics, Device
from lbt.errors import LbtError

if TYPE_CHECKING:
    from torch import Tensor


class EataOptions(Training):
    """Reliable and diverse images, with an anchor (arXiv 2204.02610); the defaults are the paper's for CIFAR-10."""

    optimizer: OptimizerName = "sgd"
    """Update rule; the recipe says in which format its state and the weights are kept."""
    lr: float = Field(0.005, gt=0, le=100)
    """Learning rate, constant."""
    margin: float = Field(0.4, gt=0, le=1)
    """E₀ as a share of log(classes): an image of more entropy is not reliable."""
    redundancy: float = Field(0.4, gt=0, le=1)
    """ε: an image whose prediction has a larger cosine with the mean prediction is redundant."""
    fisher_weight: float = Field(1.0, ge=0, le=1e9)
    """β: weight of the anchor; 0 is the method ETA, which needs no source image."""
    fisher_images: int = Field(2000, ge=1, le=1_000_000_000)
    """Source images on which the Fisher information is measured before deployment."""


class Method(BatchStatistics):
    """Entropy of chosen images, and the anchor."""

    trains = "norms"

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.options = device.options(EataOptions)
        self.train_by(self.options)
        if self.options.fisher_weight:
            self._measure_fisher()

    def adapt(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        kit.use_batch(self.network)
        logits = self.forward(images)
        probabilities, entropy = logits.detach().softmax(1), kit.entropies(logits)
        chosen = self.chosen(probabilities, entropy.detach())
        if chosen.any():
            margin = self.options.margin * math.log(logits.shape[1])
            weights = (margin - entropy.detach()[chosen]).exp()
            self.update((weights * entropy[chosen]).mean() + self.anchored())
            self.follow_mean(probabilities[chosen].mean(0))
        return probabilities

    def chosen(self, probabilities: Tensor, entropy: Tensor) -> Tensor:
        """Bool (B,): images that are reliable and not redundant."""
        reliable = entropy < self.options.margin * math.log(probabilities.shape[1])
        if "mean" not in self.extra:
            return reliable
        likeness = kit.F.cosine_similarity(self.extra["mean"][None], probabilities)
        return reliable & (likeness.abs() < self.options.redundancy)

    def anchored(self) -> Tensor | float:
        """β·Σ F·(w - w⁰)²; 0 without an anchor."""
        if not self.options.fisher_weight:
            return 0.0
        parts = [
            (self.extra[f"fisher/{name}"] * (p - self.start(name)).square()).sum()
            for name, p in self.named_parameters().items()
        ]
        return self.options.fisher_weight * kit.torch.stack(parts).sum()

    def _measure_fisher(self) -> None:
        """Mean over batches of the squared gradient of the cross-entropy with the predicted classes."""
        if self.device.source is None:
            raise LbtError(
                "edge.method: eata measures on source images, and there are none; eata.fisher_weight: 0 is ETA"
            )
        kit.use_batch(self.network)
        images = self.device.source.images[: self.options.fisher_images]
        batches = images.split(max(2, self.device.params.batch))
        named = self.named_parameters()
        total = {name: kit.torch.zeros_like(p) for name, p in named.items()}
        for batch in batches:
            logits = self.network(batch)
            loss = kit.F.cross_entropy(logits, logits.detach().argmax(1))
            for sums, gradient in zip(total.values(), kit.torch.autograd.grad(loss, list(named.values())), strict=True):
                sums += gradient.square() / len(batches)
        self.extra |= {f"fisher/{name}": sums for name, sums in total.items()}
        self.keep_start()
