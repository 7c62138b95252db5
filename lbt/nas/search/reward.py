"""Several objectives in one reward: a coarse objective decides until it is good enough, then the finer one.

The notes' thresholded reward: the coarse score (cheap, reliable over large differences) is used alone while it is below
its threshold; from there on the finer, more indirect one takes over, and the coarse one stays at the threshold so that
crossing it never costs reward. A hardware cost above its budget is charged in proportion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lbt.errors import LbtError

Score = Callable[[np.ndarray], np.ndarray]
"""Rows (B, L) → float64 (B,)."""


@dataclass(frozen=True)
class ThresholdedReward:
    """An :data:`lbt.nas.search.run.Evaluate` built from a coarse and a fine objective and a cost.

    Attributes:
        coarse: larger is better.
        threshold: from this coarse score on, ``fine`` counts.
        fine: larger is better, not negative; ``None`` leaves the coarse score to count up to the threshold only.
        cost: hardware cost, in any unit (LUTs, cycles, joules), larger is worse.
        budget: cost that is free of charge, in the same unit.
        penalty: reward lost per budget by which the cost is over it, in the coarse score's unit.
    """

    coarse: Score
    threshold: float
    fine: Score | None = None
    cost: Score | None = None
    budget: float = np.inf
    penalty: float = 100.0

    def __post_init__(self) -> None:
        if self.cost is not None and not self.budget > 0:
            raise LbtError(f"reward.budget: found {self.budget}; a cost needs a budget above 0")

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        coarse = np.asarray(self.coarse(rows), float)
        reward = np.minimum(coarse, self.threshold)
        if self.fine is not None:
            reward = reward + np.where(coarse >= self.threshold, self.fine(rows), 0.0)
        if self.cost is not None and np.isfinite(self.budget):
            over = np.maximum(np.asarray(self.cost(rows), float) / self.budget - 1, 0)
            reward = reward - self.penalty * over
        return reward
