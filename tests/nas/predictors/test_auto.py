"""The choice by cross-validation: nothing seen twice, weights that follow evidence, bounds that hold."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

from lbt.errors import LbtError
from lbt.nas.predictors import calibrate, cross
from lbt.nas.predictors.encoders.auto import weigh
from lbt.nas.predictors.fit import Options, PredictorNetwork, fit
from lbt.nas.predictors.gp import normal_scores
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.stopping import BestEpochs
from lbt.nas.space import SpaceSpec, build

CHAIN = build(
    SpaceSpec(name="chain", operations_on="node", nodes=8, operations=["a", "b", "c"], choose_edges=False,
              edges=[(i, i + 1) for i in range(7)])
)  # fmt: skip
QUICK = Options(width=16, hidden=(16,), epochs=20, candidates=("onehot_gp", "mlp"))
NO_COLUMNS = np.zeros((60, 0))


def labelled(seed=0, noise=0.5):
    """All chains in random order, with values of layers that differ, neighbours that interact, and noise."""
    draw = np.random.default_rng(seed)
    rows = draw.permutation(CHAIN.all())
    values = rows @ np.array([1, 2, 3, 3, 2, 1]) + 0.7 * (rows[:, :-1] * rows[:, 1:]).sum(1)
    return rows, values + noise * draw.normal(size=len(rows))


def test_an_unseen_score_does_not_follow_from_its_own_value(monkeypatch):
    monkeypatch.setattr(cross, "FOLDS", 2)
    rows, values = labelled()
    before = cross.cross_fit("onehot_gp", CHAIN, rows[:20], values[:20], NO_COLUMNS[:20], QUICK, 0)
    changed = values[:20].copy()
    changed[7] += 100
    after = cross.cross_fit("onehot_gp", CHAIN, rows[:20], changed, NO_COLUMNS[:20], QUICK, 0)
    fold = next(part for part in cross.folds(20, 0) if 7 in part)
    assert (before.unseen[fold] == after.unseen[fold]).all()
    assert (before.unseen != after.unseen).any()


@pytest.mark.parametrize("count", [50, 53])
def test_every_architecture_is_held_out_of_some_network(count):
    rows, values = labelled()
    found = cross.cross_fit(
        "mlp", CHAIN, rows[:count], values[:count], NO_COLUMNS[:count], replace(QUICK, epochs=60), 0
    )
    assert found.fitted.judged.all()
    assert kendall_tau(found.unseen, values[:count]) > 0.4


def test_a_member_stops_by_the_cells_of_the_others():
    network = PredictorNetwork("mlp", CHAIN, Options(width=4, hidden=(4,), members=3), torch.Generator().manual_seed(0))
    bias = network.head.layers[-1].bias
    losses = torch.tensor([[1.0, 5.0, 5.0], [9.0, 1.0, 1.0], [0.0, 2.0, 9.0]])
    for stop_by, expected in (("others", [1, 0, 2]), ("all", [0, 0, 0])):
        best = BestEpochs(network, 3, stop_by)
        for epoch, seen in enumerate(losses):
            bias.data.fill_(float(epoch))
            best.see(seen)
        best.restore()
        judged = losses.sum(1, keepdim=True) - (losses if stop_by == "others" else 0)
        assert bias.data.flatten().tolist() == judged.expand(3, 3).argmin(0).tolist() == expected


def test_weights_are_shares_of_resamples_that_a_candidate_orders_best():
    draw = np.random.default_rng(0)
    values = draw.integers(0, 30, 40).astype(float)
    scores = values + np.array([[4.0], [5.0], [30.0]]) * draw.normal(size=(3, 40))
    counts = np.zeros(3)
    for _ in range(400):
        chosen = draw.integers(0, 40, 40)
        pairs = [
            np.sign(s[chosen][:, None] - s[chosen]) * np.sign(values[chosen][:, None] - values[chosen]) for s in scores
        ]
        counts[int(np.argmax([p.sum() for p in pairs]))] += 1
    np.testing.assert_allclose(weigh(scores, values, 0), counts / 400, atol=0.08)
    np.testing.assert_allclose(weigh(np.stack([values, values, -values]), values, 0), [0.5, 0.5, 0])
    assert (weigh(np.exp(scores), values, 0) == weigh(scores, values, 0)).all()  # no unit
    assert weigh(np.resize(scores, (3, 2500)), np.resize(values, 2500), 0).sum() == pytest.approx(1)


def test_auto_orders_chains_and_its_bounds_hold():
    rows, values = labelled()
    fitted = fit("auto", CHAIN, rows[:80], values[:80], QUICK, 0)
    score, deviation = fitted.predict(rows[80:])
    single = max(kendall_tau(part.predict(rows[80:])[0], values[80:]) for part, _, _ in fitted.parts.values())
    assert kendall_tau(score, values[80:]) > max(single - 0.01, 0.75)
    truth = calibrate.scores_of(values[80:], values[:80])
    assert 0.82 < (np.abs(truth - score) <= fitted.calibration.margin() * deviation).mean() < 0.98
    low, high = fitted.calibration.ranks(score, deviation)
    rank = rankdata(-values[80:])
    assert 0.82 < ((low <= rank) & (rank <= high)).mean() < 0.98
    assert (high - low).mean() < 0.5 * len(rank)
    assert set(fitted.choice) == {"onehot_gp", "mlp", "blend"}
    assert sum(fitted.choice[name]["weight"] for name in ("onehot_gp", "mlp")) == pytest.approx(1)
    assert abs(fitted.choice["blend"]["kendall_tau"] - kendall_tau(score, values[80:])) < 0.1


def test_too_few_labels_and_a_choice_of_nothing_are_one_line():
    rows, values = labelled()
    with pytest.raises(LbtError, match="9 evaluated architectures are too few to choose"):
        fit("auto", CHAIN, rows[:9], values[:9], QUICK)
    for candidates in ((), ("auto", "mlp")):
        with pytest.raises(LbtError, match="candidates: found auto or none"):
            fit("auto", CHAIN, rows[:20], values[:20], Options(candidates=candidates))


def test_a_candidate_that_cannot_take_the_space_is_left_out(capsys):
    space = build(SpaceSpec(name="dense", operations_on="node", nodes=16, operations=["a", "b"]))
    rows = space.sample(20, 0)
    options = replace(QUICK, candidates=("paths_gp", "onehot_gp"))
    fitted = fit("auto", space, rows, rows.sum(1) * 1.0, options)
    assert list(fitted.parts) == ["onehot_gp"]
    assert "candidate paths_gp is left out: dense: more than 4096 input-output paths" in capsys.readouterr().err
    with pytest.raises(LbtError, match="more than 4096"):
        fit("auto", space, rows, rows.sum(1) * 1.0, replace(options, candidates=("gates", "paths_gp")))


def test_a_calibration_finds_line_scale_and_the_share_of_the_own_deviation():
    draw = np.random.default_rng(3)
    truth, own = draw.normal(size=20000), draw.uniform(0.1, 2, 20000)
    error = 0.3 * np.sqrt(1 + 4 * own**2 / np.mean(own**2)) * draw.normal(size=20000)
    score = truth / 2 + 7  # then truth = 2 · score − 14, and errors are about the line
    found = calibrate.Calibration.of(score, own, truth + error)
    assert (found.share, found.slope, found.offset) == (4.0, pytest.approx(2, rel=0.02), pytest.approx(-14, rel=0.02))
    assert found.scale == pytest.approx(0.3, rel=0.03)
    assert found.margin(0.9) == pytest.approx(1.645, rel=0.03)
    mean, deviation = found(score[:5], own[:5])
    np.testing.assert_allclose(mean, truth[:5], atol=0.1)
    np.testing.assert_allclose(deviation, 0.3 * np.sqrt(1 + 4 * own[:5] ** 2 / np.mean(own**2)), rtol=0.05)


def test_the_margin_is_the_conformal_quantile():
    errors = np.arange(1.0, 11)
    found = calibrate.Calibration(0, 1, 1, 0, 1, errors)
    assert found.margin(0.5) == 6  # the ⌈11 · 0.5⌉-th of ten
    assert found.margin(0.99) == 10


def test_bounds_of_ranks_are_exact_where_nothing_is_uncertain():
    found = calibrate.Calibration(0, 1, 1, 0, 1, np.array([-1.0, 1.0]))
    low, high = found.ranks(np.array([3.0, 9.0, 5.0]), np.zeros(3))
    assert low.tolist() == high.tolist() == [3, 1, 2]
    low, high = found.ranks(np.array([0.0, 0.0, 100.0]), np.ones(3))
    assert (low.tolist(), high.tolist()) == ([2, 2, 1], [3, 3, 1])


def test_normal_scores_and_values_are_inverse_and_go_on_beyond_the_table():
    values = np.random.default_rng(0).permutation(np.r_[np.linspace(3, 9, 40) ** 2, 81.0])
    scores = normal_scores(values)
    np.testing.assert_allclose(calibrate.values_of(scores, values), values)
    np.testing.assert_allclose(calibrate.scores_of(values, values)[values < 81], scores[values < 81])
    beyond = calibrate.values_of(np.array([-9.0, 9.0]), values)
    assert beyond[0] < values.min()
    assert beyond[1] > values.max()
    assert (np.diff(calibrate.values_of(np.linspace(-5, 5, 300), values)) >= 0).all()
