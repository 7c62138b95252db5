"""``lbt predict`` on a user's table: CSV, features, smaller is better, and one line for what cannot work."""

import numpy as np
import pytest
from click.testing import CliRunner

from lbt.artifacts import read_table, write_table
from lbt.cli import cli
from lbt.errors import LbtError
from lbt.nas.predictors import ENCODERS
from lbt.nas.predictors.columns import Columns
from lbt.nas.predictors.fit import Options, fit
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.predict import choice_of, predict, predict_fitted
from lbt.nas.space import load

SPACE = """operations_on: node
nodes: 6
operations: [conv3, conv5, pool]
choose_edges: false
edges: [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]
"""
CHEAP = ("onehot_gp", "mlp")


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A workspace with the space's file; returns a function that writes a CSV table of its chains."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text(SPACE)
    space = load("space.yaml")
    draw = np.random.default_rng(0)
    rows = draw.permutation(space.all())
    hidden = draw.normal(size=len(rows))  # known from the column only
    latency = 5 + (rows == 1).sum(1) + 2 * hidden

    def write(name="t.csv", labels=50, **columns):
        values = [f"{v:.4f}" if i < labels else "" for i, v in enumerate(latency)]
        table = {"architecture": [f'"{space.format(row)}"' for row in rows], "latency": values, **columns}
        lines = [",".join(table), *(",".join(map(str, cells)) for cells in zip(*table.values(), strict=True))]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    write.rows, write.hidden, write.latency, write.space = rows, hidden, latency, space
    return write


def truth(work, scores):
    place = {work.space.format(row): value for row, value in zip(work.rows, work.latency, strict=True)}
    return np.array([place[text] for text in scores["architecture"].to_pylist()])


def test_smaller_is_better_turns_order_and_keeps_the_unit(work):
    table = work()
    smaller = predict(table, "space.yaml", smaller=True, encoder="onehot_gp")
    larger = predict(table, "space.yaml", encoder="onehot_gp")
    assert kendall_tau(np.arange(smaller.num_rows), truth(work, smaller)) > 0.1  # best first: latency grows
    assert smaller["architecture"].to_pylist() == larger["architecture"].to_pylist()[::-1]
    assert (np.diff(smaller["expected"].to_pylist()) >= 0).all()


def test_bounds_of_smaller_values_are_in_their_unit(work):
    scores = predict(work(), "space.yaml", smaller=True, candidates=("onehot_gp",))
    expected, low, high = (np.array(scores[name].to_pylist()) for name in ("expected", "low", "high"))
    assert (low <= expected).all()
    assert (expected <= high).all()
    assert (np.diff(expected) >= 0).all()
    assert ((low <= truth(work, scores)) & (truth(work, scores) <= high)).mean() > 0.75


@pytest.mark.parametrize("encoder", ["onehot_gp", "paths_gp", "mlp"])
def test_features_tell_what_the_architecture_does_not(work, encoder):
    table = work(flops=np.exp(3 * work.hidden))
    options = {"encoder": encoder, "target": "latency", "epochs": 30}
    with_it, without = (predict(table, "space.yaml", features=f, **options) for f in (["flops"], []))
    tau = [kendall_tau(np.array(scores["score"].to_pylist()), truth(work, scores)) for scores in (with_it, without)]
    assert tau[0] > 0.6 > 0.35 > tau[1]


def test_a_kept_predictor_asks_for_its_features(work):
    table = work(flops=np.exp(work.hidden))
    options = {"encoder": "auto", "candidates": CHEAP, "epochs": 10, "smaller": True, "save": "p.safetensors"}
    first = predict(table, "space.yaml", features=["flops"], **options)
    again = predict_fitted(table, "space.yaml", "p.safetensors")
    assert again.equals(first)
    assert choice_of(again) == choice_of(first)
    assert set(choice_of(first)) == {*CHEAP, "blend"}
    with pytest.raises(LbtError, match=r"bare\.csv: unknown feature 'flops'; accepted: latency"):
        predict_fitted(work("bare.csv"), "space.yaml", "p.safetensors")


def test_the_command_tells_the_choice_and_writes_the_bounds(work):
    work(flops=np.exp(work.hidden), params=work.hidden)
    command = "predict --table t.csv --space space.yaml --smaller --features flops,params --candidates mlp,onehot_gp"
    found = CliRunner().invoke(cli, [*command.split(), "--epochs", "10", "--out", "scores.parquet"])
    assert found.exit_code == 0, found.output
    assert "chosen by cross-validation, with Kendall's tau 0." in found.stderr
    scores = read_table("scores.parquet")
    assert scores.column_names[-4:] == ["low", "high", "rank_low", "rank_high"]
    ranks, low, high = (np.array(scores[name].to_pylist()) for name in ("rank", "rank_low", "rank_high"))
    assert ((low >= 1) & (low <= high) & (high <= len(ranks))).all()
    refused = CliRunner().invoke(cli, [*command.split(), "--encoder", "mlp"])
    assert "--candidates: would do nothing beside --encoder mlp" in str(refused.exception)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({}, {"features": ["flop"]}, r"t\.csv: unknown feature 'flop'; accepted: latency"),
        ({"flops": [""] + [1] * 80}, {"features": ["flops"]}, r"t\.csv: line 2: flops is nan"),
        (
            {"flops": [*range(80), "8o"]},
            {"features": ["flops"]},
            r"t\.csv: feature flops holds text, '8o' in line 82; expected numbers",
        ),
        (
            {"flops": [*range(80), "8o"]},
            {"target": "flops"},
            r"t\.csv: target flops holds text, '8o' in line 82; expected numbers",
        ),
        ({"flops": [*range(80), "8o"]}, {}, r"t\.csv: several columns could be the target; .*: latency, flops"),
        ({"flops": [3] * 81}, {"features": ["flops"]}, r"t\.csv: feature flops is 3 in every row"),
        ({"flops": range(81)}, {"features": ["flops"], "unseen": 5}, r"t\.csv: unseen architectures have no features"),
        ({"flops": range(81)}, {"features": ["flops", "flops"]}, r"t\.csv: feature flops is named twice"),
        (
            {"flops": range(81)},
            {"features": ["flops"], "target": "flops"},
            r"t\.csv: flops is the target and a feature",
        ),
        (
            {"flops": range(81)},
            {},
            r"t\.csv: several columns could be the target; choose one of: latency, flops",
        ),
        ({"flops": range(81)}, {"features": ["flop"]}, r"t\.csv: unknown feature 'flop'; accepted: latency, flops"),
        ({"labels": 0}, {}, r"t\.csv: 0 rows have a value of latency"),
        ({"labels": 1}, {}, r"t\.csv: 1 rows have a value of latency"),
        ({"labels": 7}, {}, r"t\.csv: 7 evaluated architectures are too few to choose"),
        ({"labels": 81}, {}, r"t\.csv: every row has a value of latency"),
        ({"acc": ["7"] * 60 + [""] * 21}, {"target": "acc"}, r"t\.csv: acc is 7 in all 60 rows that have it: no order"),
        (
            {"acc": ["", *["x"] * 80]},
            {"target": "acc"},
            r"t\.csv: target acc holds text, 'x' in line 3; expected numbers",
        ),
        ({"act": ["relu"] * 81}, {"features": ["act"]}, r"t\.csv: feature act holds text, 'relu' in line 2"),
        ({"latency": ["7 %"] * 81}, {}, r"t\.csv: no numeric column to predict; latency holds text, '7 %' in line 2"),
        ({}, {"target": "latenzy"}, r"t\.csv: unknown target 'latenzy'; accepted: latency \(did you mean 'latency'"),
        ({}, {"candidates": ["mpl"]}, r"unknown predictor 'mpl'.*did you mean 'mlp'"),
    ],
)
def test_what_cannot_work_is_one_line_that_names_the_table(work, columns, options, message):
    with pytest.raises(LbtError, match=message) as error:
        predict(work(**columns), "space.yaml", **options)
    assert "\n" not in str(error.value)


def test_columns_with_a_long_tail_count_by_their_logarithm():
    draw = np.random.default_rng(0)
    values = np.stack([np.exp(draw.normal(size=500)), draw.normal(size=500)], 1)
    columns = Columns.of(("flops", "shift"), values)
    assert columns.logarithm == (True, False)
    np.testing.assert_allclose(columns(values).mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(columns(values).std(0), 1)
    assert np.isfinite(columns(np.array([[0.0, 3.0]]))).all()  # below what was seen
    with pytest.raises(LbtError, match="shift is 2 in every row"):
        Columns.of(("shift",), np.full((3, 1), 2.0))


@pytest.mark.parametrize("encoder", [name for name in ENCODERS.names() if hasattr(ENCODERS.load(name), "Encoder")])
def test_no_columns_are_the_same_bits_as_none(encoder, work):
    rows, values = work.rows[:30], work.latency[:30]
    options = Options(width=8, hidden=(8,), epochs=2)
    bare = fit(encoder, work.space, rows, values, options).predict(work.rows)[0]
    empty = fit(encoder, work.space, rows, values, options, columns=np.zeros((30, 0)))
    assert (bare == empty.predict(work.rows, np.zeros((81, 0)))[0]).all()


def test_parquet_and_csv_are_the_same_table(work):
    table = work()
    values = [v if i < 50 else None for i, v in enumerate(np.round(work.latency, 4).tolist())]
    write_table("t.parquet", {"architecture": [work.space.format(r) for r in work.rows], "latency": values})
    assert predict("t.parquet", "space.yaml", encoder="onehot_gp").equals(
        predict(table, "space.yaml", encoder="onehot_gp")
    )


@pytest.mark.parametrize("kept", [False, True])
def test_the_answer_does_not_depend_on_the_order_of_the_rows(work, kept):
    table = work(flops=np.exp(work.hidden))
    head, *lines = table.read_text().splitlines()
    shuffled = table.with_name("shuffled.csv")
    shuffled.write_text("\n".join([head, *np.random.default_rng(1).permutation(lines)]) + "\n")
    options = {"target": "latency", "features": ["flops"], "epochs": 3, "candidates": (*CHEAP, "effects_gp")}
    first = predict(table, "space.yaml", save="p.safetensors", **options)
    assert (predict_fitted if kept else predict)(shuffled, "space.yaml", *(["p.safetensors"] * kept), **(
        {} if kept else options
    )).equals(first)  # fmt: skip


@pytest.mark.parametrize("name", ["t.json", "t.txt", "t"])
def test_a_file_of_another_format_is_told_what_is_read(work, name):
    path = work().rename(name)
    with pytest.raises(LbtError, match=r"^t.*: not a Parquet file; accepted: Parquet, or CSV in a file named \.csv or"):
        predict(path, "space.yaml")
