"""The predictor stage and ``lbt predict`` on a small table."""

import numpy as np
import pytest

from lbt.artifacts import read_table, sha256, write_table
from lbt.errors import LbtError
from lbt.nas.predictors import store
from lbt.nas.predictors.params import PredictorJob
from lbt.nas.predictors.predict import predict
from lbt.nas.predictors.stage import Inputs, Outputs, halves, run
from lbt.nas.space import load

NODE_YAML = "name: mine\noperations_on: node\nnodes: 5\noperations: [conv, pool, sep]\n"
EDGE_YAML = "name: mine\noperations_on: edge\nnodes: 4\noperations: [none, conv, pool]\nnone: none\n"


def workspace(tmp_path, yaml, unlabelled=0):
    space = tmp_path / "space.yaml"
    space.write_text(yaml)
    rows = np.unique(load(space).sample(240, 0), axis=0)
    values = [float((row[:4] == 1).sum() + 0.1 * row[0]) for row in rows]
    labels = [None if i < unlabelled else v for i, v in enumerate(values)]
    write_table(tmp_path / "t.parquet", {"architecture": [load(space).format(r) for r in rows], "score": labels})
    return tmp_path / "t.parquet", space, rows, np.array(values)


def test_the_stage_reports_every_size_and_repeats_byte_for_byte(tmp_path):
    table, space, rows, _ = workspace(tmp_path, EDGE_YAML)
    params = PredictorJob(
        encoder="gates", seed=1, sizes=[20, 60], space=str(space), target="score", epochs=8, width=16, batch=16
    )
    metrics = run(
        params, Inputs(table=table), Outputs(scores=tmp_path / "a.parquet", predictor=tmp_path / "a.safetensors")
    )
    names = ("kendall_tau", "precision_at_5%", "n_at_10")
    assert set(metrics) == {f"{size}/{name}" for size in (20, 60) for name in names}
    scores = read_table(tmp_path / "a.parquet")
    assert scores.column_names == ["architecture", "score", "score_20", "score_60"]
    assert scores.num_rows == len(rows) - len(rows) // 2
    run(params, Inputs(table=table), Outputs(scores=tmp_path / "b.parquet", predictor=tmp_path / "b.safetensors"))
    for suffix in ("parquet", "safetensors"):
        assert sha256(tmp_path / f"a.{suffix}") == sha256(tmp_path / f"b.{suffix}")
    kept = store.load(tmp_path / "a.safetensors")
    again = kept.fitted.predict(kept.space.encode(scores["architecture"].to_pylist()))[0]
    assert again.tolist() == scores["score_60"].to_pylist()
    assert (kept.encoder, kept.target, len(kept.values)) == ("gates", "score", 60)


def test_halves_are_disjoint_and_depend_on_the_seed():
    train, held = halves(101, 0)
    assert len(train) == 50
    assert sorted([*train, *held]) == list(range(101))
    assert set(train) != set(halves(101, 1)[0])


def test_a_size_beyond_the_training_half_is_refused(tmp_path):
    table, space, _, _ = workspace(tmp_path, EDGE_YAML)
    with pytest.raises(LbtError, match="sizes: 5000 is more than half"):
        run(
            PredictorJob(encoder="mlp", seed=0, sizes=5000, space=str(space), target="score"),
            Inputs(table=table),
            Outputs(scores=tmp_path / "a.parquet", predictor=tmp_path / "a.safetensors"),
        )


@pytest.mark.parametrize("yaml", [EDGE_YAML, NODE_YAML], ids=["edge", "node"])
def test_predict_orders_the_rows_without_a_value(tmp_path, yaml):
    table, space, rows, values = workspace(tmp_path, yaml, unlabelled=50)
    result = predict(table, space, encoder="paths_gp")
    assert result.column_names == ["architecture", "rank", "score", "uncertainty", "expected"]
    assert result.num_rows == 50
    order = result["architecture"].to_pylist()
    truth = dict(zip([load(space).format(r) for r in rows[:50]], values[:50], strict=True))
    predicted = np.array([truth[text] for text in order])
    assert predicted[:10].mean() > predicted[-10:].mean() + 0.5
    assert np.array(result["score"].to_pylist()).argmax() == 0
    assert predict(table, space, encoder="paths_gp", top=3).num_rows == 3
    assert predict(table, space, encoder="paths_gp", unseen=20).num_rows == 70


def test_predict_without_anything_to_predict_says_so(tmp_path):
    table, space, _, _ = workspace(tmp_path, EDGE_YAML)
    with pytest.raises(LbtError, match="nothing to predict"):
        predict(table, space, encoder="paths_gp")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": (3, "conv,pool")}, "row 3: 'conv,pool': expected 3 operations"),
        ({"architecture": (4, "conv,conv,pol;0>1")}, "row 4: .*unknown operation 'pol'.*did you mean 'pool'"),
        ({"architecture": (5, "conv,conv,pool;0>9")}, "row 5: .*'0>9' is not an edge"),
        ({"architecture": (7, 6)}, "row 7: .* is already in row 6"),
        ({"score": (8, float("inf"))}, "row 8: score is inf"),
    ],
)
def test_a_bad_row_of_a_users_table_is_named(tmp_path, change, message):
    path, space, _, _ = workspace(tmp_path, NODE_YAML, unlabelled=2)
    columns = read_table(path).to_pydict()
    for column, (row, value) in change.items():
        columns[column][row] = columns[column][value] if isinstance(value, int) else value
    write_table(path, columns)
    with pytest.raises(LbtError, match=message) as error:
        predict(path, space, encoder="paths_gp")
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
