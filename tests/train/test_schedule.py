"""Learning-rate schedules."""

from __future__ import annotations

import pytest

from lbt.train.schedule import warm_cosine


def test_schedule_rises_and_falls_to_zero():
    factors = [warm_cosine(step, 100, 0.1) for step in range(100)]
    assert max(factors) == pytest.approx(1.0)
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] == pytest.approx(0.0, abs=1e-9)
    assert warm_cosine(0, 1, 0.1) > 0
