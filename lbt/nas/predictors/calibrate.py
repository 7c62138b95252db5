"""Deviations that come true: scaled by how far unseen evaluated architectures were from their prediction.

Values are taken as normal scores z, a unit in which they are Gaussian whatever theirs is. A prediction's deviation is
σ = c · √(1 + λ u²), with u the predictor's own deviation or disagreement over its root mean square. λ is the one of
``SHARES`` that makes the unseen errors most likely, c their scale. Intervals take the quantile of the absolute
standardised errors, corrected for their number, as split conformal prediction does (Lei et al., JASA 2018): on new
architectures of the same distribution they hold at least as often as they say. (The predictors that made the errors
saw a fifth less than the one that is used, which errs on the same side.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbt.nas.predictors.gp import normal_scores

SHARES = (0.0, 0.25, 1.0, 4.0)
LEVEL = 0.9
"""Share of the architectures whose value an interval should hold."""

TAIL = 0.1
"""Share of the values, at least two, whose slope continues the scale beyond the best and the worst."""

DRAWS = 200
"""Orders that are drawn for the bounds of the ranks."""


@dataclass(frozen=True)
class Calibration:
    """From scores of a predictor to normal scores of the values.

    Attributes:
        offset, slope: of the line from score to normal score.
        scale, share, typical: c, λ, and the root mean square of the predictor's own deviations.
        errors: float64 (N,), sorted: unseen errors over their deviations.
    """

    offset: float
    slope: float
    scale: float
    share: float
    typical: float
    errors: np.ndarray

    @classmethod
    def of(cls, unseen: np.ndarray, own: np.ndarray, target: np.ndarray) -> Calibration:
        """Calibrated on unseen scores, the predictor's own deviations, and the values' normal scores, (N,) each."""
        variance = max(float(unseen.var()), 1e-12)
        slope = max(float(((unseen - unseen.mean()) * (target - target.mean())).mean()) / variance, 1e-6)
        offset = float(target.mean() - slope * unseen.mean())
        error = target - (offset + slope * unseen)
        typical = max(float(np.sqrt(np.mean(own**2))), 1e-12)

        def fitted(share: float) -> tuple[float, float]:
            factor = 1 + share * (own / typical) ** 2
            scale2 = max(float(np.mean(error**2 / factor)), 1e-12)
            return -float(np.log(scale2 * factor).sum()), float(np.sqrt(scale2))

        share = max(SHARES, key=lambda s: fitted(s)[0])
        scale = fitted(share)[1]
        errors = error / (scale * np.sqrt(1 + share * (own / typical) ** 2))
        return cls(offset, slope, scale, share, typical, np.sort(errors))

    def __call__(self, score: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of the normal score, float64 (M,) each, from scores and the predictor's own deviations."""
        return self.offset + self.slope * score, self.scale * np.sqrt(1 + self.share * (own / self.typical) ** 2)

    def margin(self, level: float = LEVEL) -> float:
        """Half width of the interval of ``level``, in deviations."""
        size = np.sort(np.abs(self.errors))
        return float(size[min(int(np.ceil((len(size) + 1) * level)), len(size)) - 1])

    def ranks(self, mean: np.ndarray, deviation: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of each architecture's rank among those given (1 is the best), int64 (M,) each.

        Orders are drawn from the predictions and the unseen errors. The bounds are quantiles of the drawn ranks.
        """
        generator = np.random.default_rng(0)
        ranks = np.empty((DRAWS, len(mean)), np.int32)
        for drawn in ranks:
            value = mean + deviation * generator.choice(self.errors, len(mean))
            drawn[np.argsort(-value, kind="stable")] = np.arange(1, len(mean) + 1)
        tails = np.quantile(ranks, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return np.floor(tails[0]).astype(np.int64), np.ceil(tails[1]).astype(np.int64)


def values_of(scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values at normal scores (M,): interpolated between the evaluated ``values`` (N,), continued beyond them."""
    return np.interp(scores, *(grid := _grid(values))) + _beyond(scores, *grid)


def scores_of(new: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Normal scores at new values (M,), the inverse of :func:`values_of` between the evaluated ``values`` (N,)."""
    known, place = np.unique(values, return_inverse=True)
    mean = np.bincount(place, normal_scores(values)) / np.bincount(place)
    return np.interp(new, known, mean)


def _grid(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(values, kind="stable")
    return normal_scores(np.arange(len(values))), values[order]


def _beyond(scores: np.ndarray, grid: np.ndarray, values: np.ndarray) -> np.ndarray:
    tail = min(max(int(TAIL * len(grid)), 2), len(grid)) - 1
    above = (values[-1] - values[-1 - tail]) / max(grid[-1] - grid[-1 - tail], 1e-12)
    below = (values[tail] - values[0]) / max(grid[tail] - grid[0], 1e-12)
    return above * np.maximum(scores - grid[-1], 0) - below * np.maximum(grid[0] - scores, 0)
