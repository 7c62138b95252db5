"""The blend: what it is made of, and that only training cells decide."""

import numpy as np
import pytest

from lbt.nas.predictors.encoders.best import Best
from lbt.nas.predictors.encoders.committee import Committee, log_gap
from lbt.nas.predictors.fit import Options, fit
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.space import SpaceSpec, build

SPACE = build(SpaceSpec(name="n101", operations_on="node", nodes=5, operations=["c3", "c1", "pool"]))


def test_the_log_gap_keeps_the_order_and_no_unit():
    values = np.random.default_rng(0).uniform(50, 95, 60)
    gap = log_gap(values)
    assert kendall_tau(gap, values) > 0.99  # tails are clipped
    np.testing.assert_allclose(log_gap(values / 100 - 3), gap, rtol=1e-5, atol=1e-6)
    assert np.isfinite(log_gap(np.ones(5))).all()


@pytest.mark.slow
def test_the_blend_learns_and_a_prediction_does_not_depend_on_its_batch():
    rows = np.random.default_rng(0).permutation(np.unique(SPACE.sample(300, 0), axis=0))
    values = np.array([key.count(":1") + 0.3 * key.count(">") for key in SPACE.keys(rows)])  # of the live part
    options = Options(width=16, hidden=(16,), epochs=15)
    fitted = fit("best", SPACE, rows[:60], values[:60], options, seed=0)
    assert isinstance(fitted, Best)
    assert 0 <= fitted.weight <= 0.9
    mean, deviation = fitted.predict(rows[60:])
    assert kendall_tau(mean, values[60:]) > 0.5
    assert (deviation > 0).all()
    np.testing.assert_allclose(fitted.predict(rows[60:64])[0], mean[:4], atol=1e-5)
    again, _ = fit("best", SPACE, rows[:60], values[:60], options, seed=0).predict(rows[60:])
    assert (again == mean).all()


@pytest.mark.slow
def test_few_cells_get_a_committee_without_networks():
    rows = SPACE.sample(8, 0)
    assert isinstance(fit("best", SPACE, rows, np.arange(8.0), Options(), seed=0), Committee)
