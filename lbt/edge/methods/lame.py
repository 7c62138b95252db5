"""LAME (Boudiaf et al. 2022, arXiv 2201.05718): the predictions of a batch are corrected, the network stays.

    Z = argmin over the simplex of Σ_i KL(z_i ‖ p_i) - Σ_ij w_ij·z_iᵀz_j
    z_i ← softmax(log p_i + Σ_j w_ij·z_j), until the objective stands still    (equation 6)

w is an affinity of the normalised features: ``rbf`` exp(-d²/2σ²) with σ the mean distance to the k-th nearest image,
``knn`` 1 for the k nearest, or ``linear``, the inner product. A batch of one is left as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lbt.config import Section
from lbt.edge import kit
from lbt.edge.online import Base, Device

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 1e-8
"""Relative change of the objective at which the iteration ends."""


class LameOptions(Section):
    """Laplacian adjustment of predictions (arXiv 2201.05718); k as its authors chose it."""

    affinity: Literal["rbf", "knn", "linear"] = "rbf"
    """Affinity of two images' features."""
    neighbours: int = Field(5, ge=1, le=1_000_000)
    """k."""
    iterations: int = Field(100, ge=1, le=1_000_000)
    """Most iterations for a batch."""


class Method(Base):
    """Running statistics, corrected predictions."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.options = device.options(LameOptions)

    def predict(self, images: Tensor) -> Tensor:
        kit.use_running(self.network)
        self.inferred += len(images)
        with kit.torch.no_grad():
            features = self.network.features(images)  # type: ignore[operator]
            log_p = (self.network.classifier(features).softmax(1) + 1e-10).log()  # type: ignore[operator]
        if len(images) == 1:
            return log_p.softmax(1)
        weights = affinity(kit.F.normalize(features), self.options.affinity, self.options.neighbours)
        return adjusted(log_p, weights, self.options.iterations)


def affinity(features: Tensor, kind: str, neighbours: int) -> Tensor:
    """(B, B) affinities of features (B, D) of length 1."""
    if kind == "linear":
        return features @ features.T
    distance = kit.torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    count = len(features)
    if kind == "knn":
        nearest = distance.topk(min(neighbours + 1, count), largest=False).indices[:, 1:]
        return kit.torch.zeros_like(distance).scatter_(1, nearest, 1.0)
    sigma = distance.topk(min(neighbours, count), largest=False).values[:, -1].mean().clamp(min=1e-12)
    return (-distance.square() / (2 * sigma**2)).exp()


def adjusted(log_p: Tensor, weights: Tensor, iterations: int) -> Tensor:
    """Z (B, K) from log p (B, K) and the affinities (B, B)."""
    z, energy = log_p.softmax(1), float("inf")
    for count in range(iterations):
        pairwise = weights @ z
        z = (log_p + pairwise).softmax(1)
        now = float((z * (z.clamp(min=1e-20).log() - log_p - pairwise)).sum())
        if count > 1 and abs(now - energy) <= TOLERANCE * abs(energy):
            break
        energy = now
    return z
