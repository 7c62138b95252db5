"""Scores against the papers' formulas, written out."""

from __future__ import annotations

import pytest

from lbt.edge.incremental.metrics import scores


def test_scores_by_hand():
    matrix = [[90.0], [70.0, 80.0], [75.0, 50.0, 95.0]]
    found = scores(matrix)
    assert found["accuracy"] == pytest.approx((75 + 50 + 95) / 3)
    assert found["forgetting"] == pytest.approx(((90 - 75) + (80 - 50)) / 2)
    assert found["backward_transfer"] == pytest.approx(((75 - 90) + (50 - 80)) / 2)


def test_forgetting_is_against_the_best_and_transfer_against_the_first():
    found = scores([[60.0], [90.0, 80.0], [70.0, 80.0, 50.0]])
    assert found["forgetting"] == pytest.approx((20 + 0) / 2)
    assert found["backward_transfer"] == pytest.approx((10 + 0) / 2)


def test_a_single_task_forgets_nothing():
    assert scores([[80.0]]) == {"accuracy": 80.0, "forgetting": 0.0, "backward_transfer": 0.0}
