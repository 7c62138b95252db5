"""Effects that add up: at least a ridge regression with few labels, and what each slot of a long chain shares."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from lbt.nas.predictors.encoders.effects_gp import MOST, counted, linear
from lbt.nas.predictors.fit import fit
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.space import SpaceSpec, build


def chain(layers, operations):
    edges = [(i, i + 1) for i in range(layers + 1)]
    return build(
        SpaceSpec(operations_on="node", nodes=layers + 2, operations=operations, choose_edges=False, edges=edges)
    )


LONG = chain(12, ["skip", "k3e3", "k3e6", "k5e3", "k5e6", "k7e6"])
SHORT = chain(8, ["k3e3", "k5e6", "k7e6"])
CAPACITY = {LONG: np.array([0, 1.0, 1.5, 1.2, 1.7, 1.8]), SHORT: np.array([1.0, 1.7, 1.9])}


def uneven(space, rows):
    """Layers of unequal importance, whose neighbours replace each other."""
    value = CAPACITY[space][rows] * np.exp(np.random.default_rng(3).normal(0, 0.6, rows.shape[1]))
    return value.sum(1) - 0.15 * (value[:, 1:] * value[:, :-1]).sum(1)


def saturating(space, rows):
    """All layers alike; more capacity helps less and less."""
    total = CAPACITY[space][rows].mean(1)
    return -np.exp(-3 * total)


@pytest.mark.parametrize("space", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("truth", [uneven, saturating])
@pytest.mark.parametrize("labels", [20, 50])
def test_effects_order_chains_at_least_as_well_as_a_ridge_regression(space, truth, labels):
    mine, ridge = [], []
    for seed in range(3):
        draw = np.random.default_rng(seed)
        rows = draw.permutation(np.unique(space.sample(400, seed), axis=0))
        clean = truth(space, rows)
        values = clean + 0.2 * clean.std() * draw.normal(size=len(rows))
        known, new = slice(labels), slice(labels, None)
        fitted = fit("effects_gp", space, rows[known], values[known])
        mine.append(kendall_tau(fitted.predict(rows[new])[0], values[new]))
        bits = counted(space, rows)["operations"]
        peer = RidgeCV(np.logspace(-3, 4, 22)).fit(bits[known], values[known])
        ridge.append(kendall_tau(peer.predict(bits[new]), values[new]))
    assert np.mean(mine) > np.mean(ridge) - 0.02


def test_processes_follow_what_the_labels_say_about_the_slots():
    rows = np.unique(LONG.sample(80, 0), axis=0)
    single = np.where(rows[:, 3] == 0, 0.0, CAPACITY[LONG][rows[:, 3]])  # one layer decides
    fitted = fit("effects_gp", LONG, rows, single + 0.01 * np.random.default_rng(0).normal(size=len(rows)))
    assert dict(zip(fitted.processes, fitted.weights, strict=True))["slot"] > 0.9
    assert sum(fitted.weights) == pytest.approx(1)


@pytest.mark.parametrize("shared", ["all", "operation", "slot"])
def test_parts_of_the_operations_together_weigh_as_much_as_the_whole(shared):
    groups = {name: group for name, group in counted(SHORT, SHORT.sample(5, 0)).items() if name != "edges"}
    parts = linear(groups, shared, 3)
    whole = linear(groups, "all", 3)
    assert len(parts) == {"all": 1, "operation": 3, "slot": 8}[shared] + 1
    products = [sum(part @ part.T / part.shape[1] for part in found[:-1]) for found in (parts, whole)]
    np.testing.assert_allclose(products[0], products[1])


def test_variances_that_are_too_many_are_left_out():
    space = chain(4, [f"op{number}" for number in range(MOST + 1)])
    rows = space.sample(12, 0)
    assert list(fit("effects_gp", space, rows, rows.sum(1) * 1.0).processes) == ["all", "slot"]
