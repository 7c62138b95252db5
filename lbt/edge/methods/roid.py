"""ROID (Marsden et al. 2024, arXiv 2306.00650): weighted likelihood ratios, pulled back to the source after each batch.

    diversity d = 1 - cos(p, m), certainty c = -H(p), each scaled to 0 … 1 within the batch; weight exp(d·c/τ), and 0
    where d is below its mean;  m ← 0.9·m + 0.1·mean p
    L = (Σ weight·SLR(p) + Σ weight·SCE(p, p of a view)) / B    SLR = -Σ p·log(p/(1 - p)), SCE: symmetric cross-entropy
    w ← α·w + (1 - α)·w_source;  answer: logits times the smoothed class frequencies of the batch

The norms' scale and offset move, with the statistics of the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lbt.edge import kit
from lbt.edge.knobs import Training
from lbt.edge.online import BatchStatistics, Device

if TYPE_CHECKING:
    from torch import Tensor


class RoidOptions(Training):
    """Weighted likelihood ratios and weight ensembling (arXiv 2306.00650); the defaults are the paper's."""

    source: float = Field(0.99, ge=0, le=1)
    """α: share of the adapted weights after a batch; the rest is the source's."""
    temperature: float = Field(1 / 3, gt=0, le=1e6)
    """τ of the weights."""


class Method(BatchStatistics):
    """Two batches in flight: the images and a view of them."""

    trains = "norms"
    smallest = 2
    in_flight = 2

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.options = device.options(RoidOptions)
        self.train_by(self.options)
        self.keep_start()

    def adapt(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        kit.use_batch(self.network)
        logits = self.forward(images)
        weights = self.weights(logits.detach())
        chosen = weights > 0
        loss = (weights * kit.soft_likelihood_ratio(logits)).sum() / len(images)
        if int(chosen.sum()) > 1:  # statistics of one image alone would be another network's
            view = self.forward(self.view(images[chosen], step))
            loss = loss + (weights[chosen] * kit.symmetric_cross_entropy(view, logits[chosen])).sum() / len(images)
        self.update(loss)
        self.pull_back()
        return corrected(logits.detach())

    def predict(self, images: Tensor) -> Tensor:
        kit.use_batch(self.network)
        return corrected(self.infer(self.network, images))

    def weights(self, logits: Tensor) -> Tensor:
        """(B,) weights of the images; the mean prediction moves on."""
        p = logits.softmax(1)
        mean = self.extra.get("mean", kit.torch.full_like(p[0], 1 / p.shape[1]))
        diversity = scaled(1 - kit.F.cosine_similarity(mean[None], p))
        certainty = scaled(-kit.entropies(logits))
        self.extra["mean"] = 0.9 * mean + 0.1 * p.mean(0)
        weights = (diversity * certainty / self.options.temperature).exp()
        return kit.torch.where(diversity < diversity.mean(), 0.0, weights)

    def pull_back(self) -> None:
        """w ← α·w + (1 - α)·w_source."""
        with kit.torch.no_grad():
            for name, p in self.named_parameters().items():
                p.lerp_(self.start(name), 1 - self.options.source)


def scaled(values: Tensor) -> Tensor:
    """Values (B,) from 0 for the least to 1 for the greatest; 1 where all are the same."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else kit.torch.ones_like(values)


def corrected(logits: Tensor) -> Tensor:
    """Probabilities (B, K) of logits times the smoothed class frequencies of their batch (section 3.4)."""
    prior = logits.softmax(1).mean(0)
    count, classes = logits.shape
    smooth = max(1 / count, 1 / classes) / prior.max()
    return (logits * (prior + smooth) / (1 + smooth * classes)).softmax(1)
