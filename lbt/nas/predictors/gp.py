"""A Gaussian process on groups of features, in float64, with one length scale per group.

Kernel: variance · Matérn-5/2 of the root of Σ_g d_g² / ℓ_g², where d_g is the distance within group g over the square
root of its size. Hyperparameters maximise the marginal likelihood (Rasmussen and Williams, 2006, eq. 2.30) under a wide
log-normal prior (without it few labels over-fit them); leave-one-out predictions are in closed form (eq. 5.12).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from scipy.special import ndtri
from scipy.stats import rankdata
from torch import Tensor

from lbt.nn.optim import plain

LARGEST_TUNING = 800
"""Hyperparameters are tuned on at most this many cells: the cost is cubic, and more do not change them."""

CHUNK = 2048
"""New cells that are predicted at a time."""


class GaussianProcess:
    """Fitted on construction.

    Args:
        groups: float64 (N, F_g) per group, the training cells' features, scaled.
        values: float64 (N,), standardised.
        steps: of Adam on the log hyperparameters.
    """

    def __init__(self, groups: list[np.ndarray], values: np.ndarray, steps: int = 120) -> None:
        features = [torch.from_numpy(g) for g in groups]
        target = torch.from_numpy(values)
        tuned = slice(LARGEST_TUNING)
        distances = [_distance(g[tuned], g[tuned]) for g in features]
        # log length scales, log noise variance, log signal variance
        log = torch.tensor([0.0] * len(groups) + [-2.0, 0.0], dtype=torch.float64, requires_grad=True)
        optimizer = plain.Adam([log], lr=0.08, fused=True)  # its roots are correctly rounded
        for _ in range(steps):
            factor = _factor(_kernel(distances, log), log)
            white = torch.linalg.solve_triangular(factor, target[tuned, None], upper=False)
            loss = 0.5 * white.square().sum() + factor.diagonal().log().sum() + log.square().sum() / 8
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.log = log.detach()
        self.points = self._scaled(features)
        self.factor = self._factorise()
        self.weight = torch.cholesky_solve(target[:, None], self.factor)[:, 0]
        self._target = target

    def _factorise(self) -> Tensor:
        return _factor(_matern(_squared_distances(self.points, self.points), self.log), self.log)

    def state(self) -> dict[str, Tensor]:
        """Tensors from which :meth:`load` makes the same process; the factor, by far the largest, is made anew."""
        return {"log": self.log, "points": self.points, "weight": self.weight, "target": self._target}

    @classmethod
    def load(cls, tensors: dict[str, Tensor]) -> GaussianProcess:
        """The process of a :meth:`state`."""
        process = cls.__new__(cls)
        process.log, process.points = tensors["log"], tensors["points"]
        process.weight, process._target = tensors["weight"], tensors["target"]
        process.factor = process._factorise()
        return process

    def mean(self, groups: list[np.ndarray]) -> np.ndarray:
        """The mean alone, float64 (M,): the deviation costs as many products as there are training cells."""
        return np.concatenate([(cross @ self.weight).numpy() for cross in self._cross(groups)] or [np.zeros(0)])

    def predict(self, groups: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the noise-free value, float64 (M,) each."""
        deviations = [np.zeros(0)]
        for cross in self._cross(groups):
            white = torch.linalg.solve_triangular(self.factor, cross.T, upper=False)
            deviations.append(np.sqrt((self.log[-1].exp() - white.square().sum(0)).clamp_min(0).numpy()))
        return self.mean(groups), np.concatenate(deviations)

    def _cross(self, groups: list[np.ndarray]) -> Iterator[Tensor]:
        """The kernel between new cells, ``CHUNK`` at a time, and the training cells."""
        points = self._scaled([torch.from_numpy(g) for g in groups])
        for part in points.split(CHUNK) if len(points) else ():
            yield _matern(_squared_distances(part, self.points), self.log)

    def _scaled(self, groups: list[Tensor]) -> Tensor:
        """Features (N, ΣF) whose squared distance is the one that the kernel needs."""
        return torch.cat([g * torch.exp(-self.log[i]) / g.shape[1] ** 0.5 for i, g in enumerate(groups)], 1)

    def leave_one_out(self) -> np.ndarray:
        """The prediction of each training cell from all others (hyperparameters kept), float64 (N,)."""
        inverse = torch.cholesky_inverse(self.factor).diagonal()
        return (self._target - self.weight / inverse).numpy()


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Values replaced by the normal quantiles of their ranks: keeps the order, drops the skew. float64 (N,)."""
    return ndtri((rankdata(values) - 0.5) / len(values))


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return _squared_distances(a, b) / a.shape[1]


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """‖aᵢ − bⱼ‖² by one product; ``torch.cdist`` would take a root of it, which differs between processors."""
    return (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp_min(0)


def _kernel(distances: list[Tensor], log: Tensor) -> Tensor:
    scaled = (d * torch.exp(-2 * log[i]) for i, d in enumerate(distances))
    return _matern(sum(scaled, torch.zeros_like(distances[0])), log)


def _matern(squared: Tensor, log: Tensor) -> Tensor:
    positive = squared + 1e-10
    r = math.sqrt(5) * positive * positive.rsqrt()  # `sqrt` differs between processors (lbt.numerics.root)
    return log[-1].exp() * (1 + r + r.square() / 3) * torch.exp(-r)


def _factor(kernel: Tensor, log: Tensor) -> Tensor:
    noise = (log[-2].exp() + 1e-4) * torch.eye(len(kernel), dtype=torch.float64)
    return torch.linalg.cholesky(kernel + noise)
