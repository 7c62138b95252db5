"""A Gaussian process on groups of features, in float64, with one length scale per group.

Kernel: variance · Matérn-5/2 of the root of Σ_g d_g² / ℓ_g², where d_g is the distance within group g over the square
root of its size; plus Σ_h a_h · ⟨x_h, x'_h⟩ / F_h over the groups h that count linearly too, if there are any (their
effects add up, and the Matérn part is what they leave). Hyperparameters maximise the marginal likelihood (Rasmussen and
Williams, 2006, eq. 2.30) under a wide log-normal prior (without it few labels over-fit them); leave-one-out predictions
are in closed form (eq. 5.12).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy.special import ndtri
from scipy.stats import rankdata
from torch import Tensor

from lbt.nn.optim import plain

LARGEST_TUNING = 800
"""Hyperparameters are tuned on at most this many cells: the cost is cubic, and more do not change them."""

CLIP = 4.0
"""Robust deviations from the median beyond which a value counts no further."""

CHUNK = 2048
"""New cells that are predicted at a time."""


class GaussianProcess:
    """Fitted on construction.

    Args:
        groups: float64 (N, F_g) per group, the training cells' features, scaled.
        values: float64 (N,), standardised.
        steps: of Adam on the log hyperparameters.
        linear: float64 (N, F_h) per group that counts linearly too.
    """

    def __init__(
        self, groups: list[np.ndarray], values: np.ndarray, steps: int = 120, linear: Sequence[np.ndarray] = ()
    ) -> None:
        features, lines = ([torch.from_numpy(g) for g in part] for part in (groups, linear))
        target = torch.from_numpy(values)
        tuned = slice(LARGEST_TUNING)
        distances = [_distance(g[tuned], g[tuned]) for g in features]
        products = torch.stack([g[tuned] @ g[tuned].T / g.shape[1] for g in lines]) if lines else None
        # log length scales, log variances of the linear groups, log noise variance, log signal variance
        start = [0.0] * (len(groups) + len(lines)) + [-2.0, 0.0]
        log = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        optimizer = plain.Adam([log], lr=0.08, fused=True)  # its roots are correctly rounded
        for _ in range(steps):
            factor = _factor(_kernel(distances, products, log), log)
            white = torch.linalg.solve_triangular(factor, target[tuned, None], upper=False)
            loss = 0.5 * white.square().sum() + factor.diagonal().log().sum() + log.square().sum() / 8
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.log = log.detach()
        self.points = self._scaled(features)
        self.lines = self._weighted(lines)
        self.factor = self._factorise()
        self.weight = torch.cholesky_solve(target[:, None], self.factor)[:, 0]
        self._target = target

    def _factorise(self) -> Tensor:
        return _factor(self._between(self.points, self.lines), self.log)

    def state(self) -> dict[str, Tensor]:
        """Tensors from which :meth:`load` makes the same process; the factor, by far the largest, is made anew."""
        kept = {"log": self.log, "points": self.points, "weight": self.weight, "target": self._target}
        return kept if self.lines is None else kept | {"lines": self.lines}

    @classmethod
    def load(cls, tensors: dict[str, Tensor]) -> GaussianProcess:
        """The process of a :meth:`state`."""
        process = cls.__new__(cls)
        process.log, process.points, process.lines = tensors["log"], tensors["points"], tensors.get("lines")
        process.weight, process._target = tensors["weight"], tensors["target"]
        process.factor = process._factorise()
        return process

    def mean(self, groups: list[np.ndarray], linear: Sequence[np.ndarray] = ()) -> np.ndarray:
        """The mean alone, float64 (M,): the deviation costs as many products as there are training cells."""
        found = [(cross @ self.weight).numpy() for cross, _ in self._cross(groups, linear)]
        return np.concatenate(found or [np.zeros(0)])

    def predict(self, groups: list[np.ndarray], linear: Sequence[np.ndarray] = ()) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the noise-free value, float64 (M,) each."""
        deviations = [np.zeros(0)]
        for cross, own in self._cross(groups, linear):
            white = torch.linalg.solve_triangular(self.factor, cross.T, upper=False)
            deviations.append(np.sqrt((own - white.square().sum(0)).clamp_min(0).numpy()))
        return self.mean(groups, linear), np.concatenate(deviations)

    def _cross(self, groups: list[np.ndarray], linear: Sequence[np.ndarray]) -> Iterator[tuple[Tensor, Tensor]]:
        """For new cells, ``CHUNK`` at a time: the kernel with the training cells, and with themselves."""
        points = self._scaled([torch.from_numpy(g) for g in groups])
        lines = self._weighted([torch.from_numpy(g) for g in linear])
        for first in range(0, len(points), CHUNK):
            part = slice(first, first + CHUNK)
            mine = None if lines is None else lines[part]
            own = self.log[-1].exp() if mine is None else self.log[-1].exp() + mine.square().sum(1)
            yield self._between(points[part], mine), own

    def _between(self, points: Tensor, lines: Tensor | None) -> Tensor:
        """The kernel between cells and the training cells."""
        kernel = _matern(_squared_distances(points, self.points), self.log)
        return kernel if lines is None or self.lines is None else kernel + lines @ self.lines.T

    def _weighted(self, linear: Sequence[Tensor]) -> Tensor | None:
        """Features (N, ΣF) whose product is the linear part of the kernel; None without one."""
        if not linear:
            return None
        first = len(self.log) - 2 - len(linear)
        return torch.cat([g * torch.exp(self.log[first + i] / 2) / g.shape[1] ** 0.5 for i, g in enumerate(linear)], 1)

    def _scaled(self, groups: list[Tensor]) -> Tensor:
        """Features (N, ΣF) whose squared distance is the one that the kernel needs."""
        return torch.cat([g * torch.exp(-self.log[i]) / g.shape[1] ** 0.5 for i, g in enumerate(groups)], 1)

    def leave_one_out(self) -> np.ndarray:
        """The prediction of each training cell from all others (hyperparameters kept), float64 (N,)."""
        inverse = torch.cholesky_inverse(self.factor).diagonal()
        return (self._target - self.weight / inverse).numpy()

    def leave_one_out_likelihood(self) -> float:
        """Log density of the training cells' values, each by the prediction from all others (eq. 5.11)."""
        inverse = torch.cholesky_inverse(self.factor).diagonal()
        return float((inverse.log() - self.weight.square() / inverse - math.log(2 * math.pi)).sum()) / 2


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Values replaced by the normal quantiles of their ranks: keeps the order, drops the skew. float64 (N,)."""
    return ndtri((rankdata(values) - 0.5) / len(values))


def robust_scores(values: np.ndarray) -> np.ndarray:
    """Values standardised, and clipped ``CLIP`` robust deviations from their median: keeps distances. float64 (N,).

    The robust deviation is the quartiles' distance over that of a normal distribution's; one network that failed to
    train does not set the scale of all others.
    """
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    spread = (high - low) / (2 * ndtri(0.75))
    spread = spread if spread > 0 else max(float(values.std()), 1e-300)  # most values are equal
    clipped = np.clip((values - middle) / spread, -CLIP, CLIP)
    return (clipped - clipped.mean()) / max(float(clipped.std()), 1e-12)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return _squared_distances(a, b) / a.shape[1]


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """‖aᵢ − bⱼ‖² by one product; ``torch.cdist`` would take a root of it, which differs between processors."""
    return (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp_min(0)


def _kernel(distances: list[Tensor], products: Tensor | None, log: Tensor) -> Tensor:
    scaled = (d * torch.exp(-2 * log[i]) for i, d in enumerate(distances))
    matern = _matern(sum(scaled, torch.zeros_like(distances[0])), log)
    return matern if products is None else matern + torch.tensordot(log[len(distances) : -2].exp(), products, 1)


def _matern(squared: Tensor, log: Tensor) -> Tensor:
    positive = squared + 1e-10
    r = math.sqrt(5) * positive * positive.rsqrt()  # `sqrt` differs between processors (lbt.numerics.root)
    return log[-1].exp() * (1 + r + r.square() / 3) * torch.exp(-r)


def _factor(kernel: Tensor, log: Tensor) -> Tensor:
    noise = (log[-2].exp() + 1e-4) * torch.eye(len(kernel), dtype=torch.float64)
    return torch.linalg.cholesky(kernel + noise)
