"""Several objectives of different resolution in one reward, and a hardware cost above its budget.

The notes' rule: the labelled objective is coarse, the unlabelled one fine but indirect; clearly above a threshold of
the first the second is ignored, below it one leans on the second. A threshold of a coarse score is a *difference*: what
two architectures must be apart for the score to tell them apart. With c the coarse score, f in 0…1 the fine one and t
the threshold::

    reward = c + t · f

Two architectures whose coarse scores differ by more than t are in the coarse order, whatever f says. The closer their
coarse scores are, the more f decides; between equal ones it decides alone. For a coarse score with Gaussian noise and a
fine one that is linear in the truth, the sum is also the shape of the best estimate of the truth. The rule is one order
of all architectures, which a tolerance on pairs would not be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lbt.errors import LbtError

Score = Callable[[np.ndarray], np.ndarray]
"""Rows (B, L) → float64 (B,)."""

CLEARLY = 2.0
"""Standard deviations of a difference of coarse scores that make it clear."""


@dataclass(frozen=True)
class ThresholdedReward:
    """An :data:`lbt.nas.search.run.Evaluate` built from a coarse and a fine objective and a cost.

    Attributes:
        coarse: larger is better.
        threshold: difference of coarse scores above which ``fine`` is ignored, in their unit, 0 or more (see
            :func:`threshold_of`).
        fine: larger is better, 0…1 (clipped; ranks over a table, for example); ``None``: the coarse objective alone.
        cost: hardware cost, in any unit (LUTs, cycles, joules), larger is worse.
        budget: cost that is free of charge, in the same unit.
        penalty: reward lost per budget by which the cost is over it, in the coarse score's unit.
    """

    coarse: Score
    threshold: float = 0.0
    fine: Score | None = None
    cost: Score | None = None
    budget: float = np.inf
    penalty: float = 100.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.threshold) and self.threshold >= 0):
            raise LbtError(f"reward.threshold: found {self.threshold}; accepted: a difference of scores, 0 or more")
        if self.cost is not None and not self.budget > 0:
            raise LbtError(f"reward.budget: found {self.budget}; a cost needs a budget above 0")

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        reward = np.asarray(self.coarse(rows), float)
        if self.fine is not None:
            reward = reward + self.threshold * np.clip(self.fine(rows), 0.0, 1.0)
        if self.cost is not None and np.isfinite(self.budget):
            over = np.maximum(np.asarray(self.cost(rows), float) / self.budget - 1, 0)
            reward = reward - self.penalty * over
        return reward


def threshold_of(repeats: np.ndarray) -> float:
    """Threshold that follows from the measured noise of a coarse score, in its unit.

    Args:
        repeats: float64 (R, N), the same N architectures scored R times, R ≥ 2 (other seeds, other labelled images).

    Returns:
        ``CLEARLY`` standard deviations of the difference of two scores, √2 times those of one score (pooled over the
        architectures).

    Raises:
        LbtError: fewer than two repeats, or a score that is not finite.
    """
    if repeats.ndim != 2 or len(repeats) < 2 or not repeats.shape[1]:
        raise LbtError(f"the noise of a score needs two measurements of it or more, found shape {repeats.shape}")
    if not np.isfinite(repeats).all():
        raise LbtError("the noise of a score: a measurement is not a finite number")
    return CLEARLY * math.sqrt(2 * float(repeats.var(0, ddof=1).mean()))
