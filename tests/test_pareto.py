"""Pareto fronts against slow definitions."""

from __future__ import annotations

import numpy as np
import pytest

from lbt.pareto import hypervolume, pareto


def test_pareto_against_all_pairs() -> None:
    generator = np.random.default_rng(0)
    values, costs = generator.integers(0, 12, 80), generator.integers(0, 12, 80)
    front = pareto(values, costs)
    for i in range(80):
        beaten = ((values >= values[i]) & (costs <= costs[i]) & ((values > values[i]) | (costs < costs[i]))).any()
        twin = ((values == values[i]) & (costs == costs[i]))[:i].any()
        assert (i in front) == (not beaten and not twin)
    assert (np.diff(costs[front]) > 0).all()


def test_the_hypervolume_is_the_share_of_the_box_that_random_points_find_dominated() -> None:
    generator = np.random.default_rng(1)
    values, costs = generator.uniform(0, 1, 12), generator.uniform(0, 1, 12)
    thrown = generator.uniform(0, 1, (100_000, 2))
    beaten = ((values > thrown[:, :1]) & (costs < thrown[:, 1:])).any(1).mean()
    assert hypervolume(values, costs, (0.0, 1.0)) == pytest.approx(beaten, abs=0.006)
    assert hypervolume(values, costs, (2.0, 1.0)) == 0


def test_no_points_have_no_front() -> None:
    assert pareto([], []).tolist() == []
