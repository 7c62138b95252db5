"""Search strategies: budget, no double counting, determinism, and that guidance helps."""

from dataclasses import replace

import numpy as np
import pytest

from lbt.artifacts import read_table, write_table
from lbt.errors import LbtError
from lbt.nas import tables
from lbt.nas.search import STRATEGIES
from lbt.nas.search.params import SearchJob, SearchParams
from lbt.nas.search.reward import ThresholdedReward, threshold_of
from lbt.nas.search.run import SearchOptions, search
from lbt.nas.search.stage import Inputs, Outputs, objective, run
from lbt.nas.space import SpaceSpec, build

SPACE = build(SpaceSpec(name="small", operations_on="edge", nodes=4, operations=["n", "a", "b"], none="n"))
OPTIONS = SearchOptions(queries=60, population=15, tournament=5, initial=20, step=20)


def value(rows):
    return (rows == 2).sum(1) + 0.5 * (rows[:, 0] == 1) - (rows[:, 3] == 2)


@pytest.mark.parametrize("strategy", STRATEGIES.names())
def test_a_strategy_spends_its_budget_on_distinct_architectures_and_repeats(strategy):
    calls = []
    history = search(strategy, SPACE, lambda rows: calls.append(len(rows)) or value(rows), OPTIONS, seed=1)
    assert len(history.rows) == len(np.unique(history.rows, axis=0)) == sum(calls) == 60
    assert (history.values == value(history.rows)).all()
    assert history.best[-1] == history.values.max() == value(history.best_row[None])[0]
    again = search(strategy, SPACE, value, OPTIONS, seed=1)
    other = search(strategy, SPACE, value, OPTIONS, seed=2)
    assert (history.rows == again.rows).all()
    assert (history.rows != other.rows).any()


@pytest.mark.parametrize("strategy", ["evolution", "annealing", "predictor"])
def test_guided_strategies_beat_random_choice_on_average(strategy):
    def mean(name):
        return np.mean([search(name, SPACE, value, OPTIONS, seed).values[-30:].mean() for seed in range(3)])

    assert mean(strategy) > mean("random") + 0.5


def test_a_budget_beyond_the_space_ends_with_the_whole_space():
    tiny = build(SpaceSpec(name="tiny", operations_on="edge", nodes=3, operations=["a", "b"]))
    history = search("random", tiny, lambda rows: rows.sum(1), SearchOptions(queries=100), seed=0)
    assert len(history.rows) == 8


def test_the_stage_writes_the_curve_and_the_best_architecture(tmp_path):
    rows = SPACE.all()
    space = tmp_path / "space.yaml"
    space.write_text("name: small\noperations_on: edge\nnodes: 4\noperations: [n, a, b]\nnone: n\n")
    write_table(
        tmp_path / "t.parquet", {"architecture": [SPACE.format(r) for r in rows], "fp": value(rows).astype(float)}
    )
    params = SearchJob(strategy="predictor", seed=3, space=str(space), queries=40, initial=10)
    metrics = run(params, Inputs(table=tmp_path / "t.parquet"), Outputs(curve=tmp_path / "curve.parquet"))
    curve = read_table(tmp_path / "curve.parquet").to_pydict()
    assert curve["queries"] == list(range(1, 41))
    assert curve["regret"] == [value(rows).max() - best for best in curve["best"]]
    assert metrics["best"] == curve["best"][-1] == value(SPACE.parse(metrics["architecture"])[None])[0]
    assert set(metrics) == {"best", "regret", "queries", "architecture"}


def test_a_table_with_a_missing_cell_is_refused(tmp_path):
    rows = SPACE.all()[1:]
    space = tmp_path / "space.yaml"
    space.write_text("operations_on: edge\nnodes: 4\noperations: [n, a, b]\n")
    write_table(
        tmp_path / "t.parquet", {"architecture": [SPACE.format(r) for r in rows], "fp": value(rows).astype(float)}
    )
    params = SearchJob(strategy="random", seed=0, space=str(space))
    with pytest.raises(LbtError, match=r"1 of 729 cells are missing, the first is '\|n~0\|"):
        run(params, Inputs(table=tmp_path / "t.parquet"), Outputs(curve=tmp_path / "c.parquet"))


def test_an_unknown_strategy_is_refused_with_the_nearest_spelling():
    with pytest.raises(ValueError, match="did you mean 'evolution'"):
        SearchParams(strategy="evolutoin")


def test_clearly_above_the_threshold_the_fine_objective_is_ignored_and_below_it_decides():
    reward = ThresholdedReward(coarse=lambda r: r[:, 0], threshold=3, fine=lambda r: r[:, 1])
    draw = np.random.default_rng(0)
    rows = np.stack([draw.uniform(0, 20, 200), draw.uniform(-0.2, 1.2, 200)], 1)
    values = reward(rows)
    gap, clipped = rows[:, None, 0] - rows[None, :, 0], np.clip(rows[:, 1], 0, 1)
    assert (np.sign(values[:, None] - values)[np.abs(gap) > 3] == np.sign(gap)[np.abs(gap) > 3]).all()
    equal = np.column_stack([np.full(200, 7.0), rows[:, 1]])
    assert (np.argsort(reward(equal), kind="stable") == np.argsort(clipped, kind="stable")).all()
    assert reward(np.array([[5.0, 0.0]])) < reward(np.array([[4.0, 1.0]]))  # closer than 3: the fine one turns them
    assert reward(np.array([[5.0, 0.0]])) > reward(np.array([[1.9, 1.0]]))


def test_a_cost_above_its_budget_is_charged_in_proportion():
    reward = ThresholdedReward(coarse=lambda r: r[:, 0], cost=lambda r: r[:, 1], budget=10, penalty=2)
    assert reward(np.array([[3, 0], [3, 10], [3, 15]], float)).tolist() == [3, 3, 2]
    with pytest.raises(LbtError, match="budget"):
        ThresholdedReward(coarse=value, cost=value, budget=0)
    with pytest.raises(LbtError, match=r"threshold: found -1; accepted: a difference"):
        ThresholdedReward(coarse=value, threshold=-1)


def test_the_threshold_follows_the_measured_noise():
    draw = np.random.default_rng(1)
    truth = draw.uniform(0, 100, 4000)
    for noise in (0.5, 3.0):
        repeats = truth + noise * draw.normal(size=(3, 4000))
        assert threshold_of(repeats) == pytest.approx(2 * 2**0.5 * noise, rel=0.03)
    assert threshold_of(np.array([[1.0, 2.0], [1.0, 2.0]])) == 0
    with pytest.raises(LbtError, match="two measurements"):
        threshold_of(truth[None])
    with pytest.raises(LbtError, match="not a finite number"):
        threshold_of(np.array([[1.0, np.nan], [1.0, 2.0]]))


def small_table(tmp_path):
    rows = SPACE.all()
    (tmp_path / "space.yaml").write_text(
        "name: small\noperations_on: edge\nnodes: 4\noperations: [n, a, b]\nnone: n\nweights: {a: 1, b: 4}\n"
    )
    columns = {
        "architecture": [SPACE.format(r) for r in rows],
        "fp": value(rows).astype(float),
        "fine": rows[:, 1] * 1.0,
    }
    write_table(tmp_path / "t.parquet", columns)
    return SearchJob(strategy="evolution", seed=0, space=str(tmp_path / "space.yaml"), queries=200, population=20)


def test_a_budget_turns_the_search_to_cheap_cells_and_the_front_is_the_evaluated_ones(tmp_path):
    params = small_table(tmp_path).model_copy(update={"cost": "weights"})
    free = run(params, Inputs(table=tmp_path / "t.parquet"), Outputs(curve=tmp_path / "free.parquet"))
    tight = params.model_copy(update={"budget": 6.0, "penalty": 20.0})
    paid = run(tight, Inputs(table=tmp_path / "t.parquet"), Outputs(curve=tmp_path / "paid.parquet"))
    assert paid["cost"] <= 6 < free["cost"]
    curve = read_table(tmp_path / "paid.parquet").to_pydict()
    target, cost, front = (np.array(curve[name]) for name in ("target", "cost", "front"))
    assert front.sum() == paid["front"] > 2
    for i in np.flatnonzero(front):
        assert not ((target >= target[i]) & (cost <= cost[i]) & ((target > target[i]) | (cost < cost[i]))).any()
    charged = target - 20 * np.maximum(cost / 6 - 1, 0)
    np.testing.assert_allclose(curve["value"], charged)


def test_the_fine_column_decides_between_equal_targets_by_its_rank(tmp_path):
    params = small_table(tmp_path).model_copy(update={"fine": "fine", "threshold": 0.1, "queries": 729})
    found = run(params, Inputs(table=tmp_path / "t.parquet"), Outputs(curve=tmp_path / "c.parquet"))
    row = SPACE.parse(found["architecture"])
    assert value(row[None])[0] == value(SPACE.all()).max()
    assert row[1] == 2  # the best target has other operations there too


def test_repeats_of_the_target_set_the_threshold(tmp_path):
    params = small_table(tmp_path)
    table = tables.read(tmp_path / "t.parquet", params.space)
    again = table.target("fp") + np.random.default_rng(0).normal(size=len(table))
    table = replace(table, targets=table.targets | {"fp_1": again})
    reward, _ = objective(params.model_copy(update={"fine": "fine", "repeats": ["fp_1"]}), table)
    assert reward.threshold == threshold_of(np.stack([table.target("fp"), again])) > 1


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="fine: needs a threshold"):
        SearchParams(fine="qat")
    with pytest.raises(ValueError, match="threshold: needs a fine objective"):
        SearchParams(threshold=1.0)
    with pytest.raises(ValueError, match="repeats: a threshold is given"):
        SearchParams(fine="qat", threshold=1.0, repeats=["ptq"])
    with pytest.raises(ValueError, match="budget: needs a cost"):
        SearchParams(budget=3.0)
