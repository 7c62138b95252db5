"""Losses, metrics, features and the Gaussian process against slow references."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from lbt.nas.predictors import losses, metrics
from lbt.nas.predictors.features import features
from lbt.nas.predictors.gp import GaussianProcess, normal_scores, robust_scores
from lbt.nas.predictors.zero_cost import zero_cost
from lbt.nas.space import SpaceSpec, build
from lbt.nas.spaces import nasbench201

RNG = np.random.default_rng(0)


def test_pairwise_losses_against_loops():
    scores, values = RNG.normal(size=(2, 7)), RNG.integers(0, 4, size=(2, 7)).astype(float)
    for name, of in (("hinge", lambda g: max(0.0, 0.1 - g)), ("logistic", lambda g: math.log1p(math.exp(-g)))):
        for member in range(2):
            pairs = [
                of(scores[member, i] - scores[member, j])
                for i in range(7)
                for j in range(7)
                if values[member, i] > values[member, j]
            ]
            got = losses.LOSSES[name](torch.from_numpy(scores), torch.from_numpy(values))
            assert got[member] == pytest.approx(np.mean(pairs))


def test_listwise_is_the_plackett_luce_likelihood():
    scores, values = RNG.normal(size=5), RNG.permutation(5).astype(float)
    left, likelihood = list(np.argsort(-values)), 0.0
    while left:
        likelihood += scores[left[0]] - math.log(sum(math.exp(scores[i]) for i in left))
        left.pop(0)
    got = losses.listwise(torch.from_numpy(scores)[None], torch.from_numpy(values)[None])
    assert got.item() == pytest.approx(-likelihood / 5)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_batch_of_equal_values_is_finite(name):
    loss = losses.LOSSES[name](torch.ones(1, 4), torch.ones(1, 4))
    assert torch.isfinite(loss).all()


def test_ranking_metrics_on_known_orders():
    values = np.arange(100.0)
    assert metrics.kendall_tau(values, values) == pytest.approx(1)
    assert metrics.kendall_tau(-values, values) == pytest.approx(-1)
    assert metrics.kendall_tau(np.zeros(100), values) == 0
    assert metrics.precision_at_k(values, values, 0.05) == 1
    assert metrics.precision_at_k(-values, values, 0.05) == 0
    assert metrics.n_at_k(-values, values, 10) == 91
    assert metrics.n_at_k(values, values, 10) == 1


def test_calibration_of_a_gaussian_and_of_an_overconfident_one():
    values = RNG.normal(size=20000)
    zero = np.zeros(20000)
    assert metrics.calibration_error(zero, zero + 1, values) < 0.01
    assert metrics.calibration_error(zero, zero + 0.1, values) > 0.3
    assert metrics.log_likelihood(zero, zero + 1, values) > metrics.log_likelihood(zero, zero + 0.1, values)


def test_features_are_equal_for_isomorphic_cells_except_slots():
    rows = nasbench201.sample(2000, 0)
    rows[:, 2] = 0
    swapped = rows[:, [1, 0, 2, 3, 5, 4]]
    a, b = features(nasbench201.SPACE, rows), features(nasbench201.SPACE, swapped)
    assert set(a) == {"types", "counts", "depth", "flow", "ends", "slots"}
    for name in set(a) - {"slots"}:
        np.testing.assert_allclose(a[name], b[name])
    assert (a["slots"] != b["slots"]).any()


def test_dead_edges_leave_no_trace_in_the_features():
    live = nasbench201.parse("|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|")
    dead = nasbench201.parse("|none~0|+|nor_conv_3x3~0|none~1|+|none~0|avg_pool_3x3~1|skip_connect~2|")
    a, b = (features(nasbench201.SPACE, row[None]) for row in (live, dead))
    assert all((a[name] == b[name]).all() for name in a)


def test_features_by_hand():
    row = nasbench201.parse("|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|")
    found = features(nasbench201.SPACE, row[None])
    assert found["counts"][0].tolist() == [0, 1, 1, 1, 1]  # none, skip, 1×1, 3×3, pool
    assert found["depth"][0, 0] == 2  # paths: 0-3 and 0-1-2-3
    assert found["depth"][0, 3:5].tolist() == [3, 0]  # longest and shortest
    assert np.exp(found["flow"][0, 0]) == pytest.approx(2)
    assert np.exp(found["flow"][0, 4]) == pytest.approx(1 + 4 * 2 * 1)


def test_a_space_with_too_many_combinations_has_no_types():
    space = build(SpaceSpec(operations_on="node", nodes=12, operations=list("abcdef"), choose_edges=False,
                            edges=[(i, i + 1) for i in range(11)]))  # fmt: skip
    assert "types" not in features(space, space.sample(3, 0))


def test_the_gaussian_process_against_dense_algebra_and_brute_force_leave_one_out():
    x = RNG.normal(size=(25, 3))
    y = normal_scores(x[:, 0] + 0.1 * RNG.normal(size=25))
    gp = GaussianProcess([x[:, :2], x[:, 2:]], y)
    ls, noise, signal = np.exp(gp.log[:2].numpy()), math.exp(gp.log[2]) + 1e-4, math.exp(gp.log[3])

    def kernel(a, b):
        squared = ((a[:, None, :2] - b[None, :, :2]) ** 2).sum(-1) / 2 / ls[0] ** 2
        squared += ((a[:, None, 2:] - b[None, :, 2:]) ** 2).sum(-1) / ls[1] ** 2
        r = np.sqrt(5 * squared)
        return signal * (1 + r + r**2 / 3) * np.exp(-r)

    new = RNG.normal(size=(6, 3))
    inverse = np.linalg.inv(kernel(x, x) + noise * np.eye(25))
    mean, deviation = gp.predict([new[:, :2], new[:, 2:]])
    np.testing.assert_allclose(mean, kernel(new, x) @ inverse @ y, atol=1e-4)
    variance = signal - np.einsum("ij,jk,ik->i", kernel(new, x), inverse, kernel(new, x))
    np.testing.assert_allclose(deviation, np.sqrt(variance), atol=1e-3)
    for left_out in (0, 7):
        keep = np.arange(25) != left_out
        small = np.linalg.inv(kernel(x[keep], x[keep]) + noise * np.eye(24))
        expected = kernel(x[[left_out]], x[keep]) @ small @ y[keep]
        np.testing.assert_allclose(gp.leave_one_out()[left_out], expected[0], atol=1e-4)


def test_linear_groups_add_their_products_to_the_kernel():
    draw = np.random.default_rng(1)
    x, new = draw.normal(size=(30, 5)), draw.normal(size=(6, 5))
    y = normal_scores(x @ [1, -1, 0.5, 2, 0] + 0.1 * draw.normal(size=30))
    gp = GaussianProcess([x[:, :2]], y, linear=[x[:, :3], x[:, 3:]])
    length, first, second, signal = np.exp(gp.log[[0, 1, 2, 4]].numpy())
    noise = math.exp(gp.log[3]) + 1e-4

    def kernel(a, b):
        r = np.sqrt(5 * ((a[:, None, :2] - b[None, :, :2]) ** 2).sum(-1) / 2) / length
        lines = first * a[:, :3] @ b[:, :3].T / 3 + second * a[:, 3:] @ b[:, 3:].T / 2
        return signal * (1 + r + r**2 / 3) * np.exp(-r) + lines

    inverse = np.linalg.inv(kernel(x, x) + noise * np.eye(30))
    mean, deviation = gp.predict([new[:, :2]], [new[:, :3], new[:, 3:]])
    np.testing.assert_allclose(mean, kernel(new, x) @ inverse @ y, atol=1e-4)
    variance = np.diag(kernel(new, new) - kernel(new, x) @ inverse @ kernel(x, new))
    np.testing.assert_allclose(deviation, np.sqrt(variance), atol=1e-3)
    total = 0.0
    for left in range(30):
        keep = np.arange(30) != left
        small = np.linalg.inv(kernel(x[keep], x[keep]) + noise * np.eye(29))
        cross = kernel(x[[left]], x[keep])
        expected = (cross @ small @ y[keep]).item()
        spread = math.sqrt((kernel(x[[left]], x[[left]]) + noise - cross @ small @ cross.T).item())
        total += norm.logpdf(y[left], expected, spread)
    assert gp.leave_one_out_likelihood() == pytest.approx(total, abs=0.01)


def test_robust_scores_keep_distances_and_bound_failures():
    values = np.r_[np.linspace(90, 92, 41), 10.0, 10.0]
    scores = robust_scores(values)
    assert scores.mean() == pytest.approx(0, abs=1e-12)
    assert scores.std() == pytest.approx(1)
    np.testing.assert_allclose(np.diff(scores[:41], 2), 0, atol=1e-12)  # equal distances stay equal
    assert scores[41] == scores.min() > -5
    np.testing.assert_allclose(robust_scores(values * 1e-9), scores, atol=1e-6)  # no unit
    assert np.isfinite(robust_scores(np.r_[np.zeros(30), 1.0])).all()  # quartiles that are equal


def test_zero_cost_statistics_are_only_for_the_operations_that_they_know():
    other = build(SpaceSpec(operations_on="edge", nodes=4, operations=["a", "b"]))
    assert zero_cost(other, other.sample(3, 0)).shape == (3, 0)
