"""Pareto front and hypervolume."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def pareto(values: ArrayLike, costs: ArrayLike) -> np.ndarray:
    """Indices of the points that no other beats in both: higher value and lower cost, by increasing cost, int64 (M,).

    Of points that are equal in both, the first is kept.
    """
    values, costs = np.asarray(values, float), np.asarray(costs, float)
    order = np.lexsort((np.arange(len(values)), -values, costs))
    best = np.maximum.accumulate(np.r_[-np.inf, values[order][:-1]])
    return order[values[order] > best]


def hypervolume(values: np.ndarray, costs: np.ndarray, worst: tuple[float, float]) -> float:
    """Area that the points' Pareto front dominates down to ``worst`` = (value, cost), in value · cost.

    Points that are not better than ``worst`` in both count for nothing.
    """
    inside = (values > worst[0]) & (costs < worst[1])
    front = pareto(values[inside], costs[inside])
    heights = values[inside][front] - worst[0]
    widths = np.diff(np.r_[costs[inside][front], worst[1]])
    return float(heights @ widths)
