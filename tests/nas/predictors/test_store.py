"""Kept predictors: equal to the last bit for every encoder, and one line for a file that is no such thing."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor

from lbt.artifacts import write_table, write_tensors
from lbt.errors import LbtError
from lbt.nas.predictors import ENCODERS
from lbt.nas.predictors.encoders.best import Best
from lbt.nas.predictors.fit import Options
from lbt.nas.predictors.predict import predict, predict_fitted
from lbt.nas.predictors.store import Predictor, load, save
from lbt.nas.predictors.trees import Trees
from lbt.nas.space import SpaceSpec, build

EDGE = build(SpaceSpec(name="edges", operations_on="edge", nodes=4, operations=["none", "conv", "pool"], none="none"))
NODE = build(
    SpaceSpec(name="nodes", operations_on="node", nodes=5, operations=["conv", "pool", "sep"], weights={"conv": 9.0})
)
LONG = ("best", "committee")
NAMES = [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in ENCODERS.names()]
SMALL = Options(width=8, hidden=(8,), epochs=2, members=2, batch=16, candidates=("onehot_gp", "mlp"))


def fitted(encoder, space, count=30, seed=3):
    rows = np.random.default_rng(0).permutation(np.unique(space.sample(200, 0), axis=0))
    values = rows @ np.arange(1.0, rows.shape[1] + 1) / 7
    return Predictor.fit(encoder, space, rows[:count], values[:count], "score", SMALL, seed), rows[count:]


@pytest.mark.parametrize("space", [EDGE, NODE], ids=["edge", "node"])
@pytest.mark.parametrize("encoder", NAMES)
def test_every_kept_predictor_predicts_the_same_bits(encoder, space, tmp_path):
    before, rows = fitted(encoder, space)
    save(tmp_path / "a.safetensors", before)
    after = load(tmp_path / "a.safetensors")
    for mine, theirs in zip(before.fitted.predict(rows), after.fitted.predict(rows), strict=True):
        assert mine.tobytes() == theirs.tobytes()
    assert before.expected(before.scores).tobytes() == after.expected(after.scores).tobytes()
    facts = ("encoder", "target", "options", "seed")
    assert [getattr(before, f) for f in facts] == [getattr(after, f) for f in facts]
    assert after.space.spec == space.spec
    save(tmp_path / "b.safetensors", after)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("count", "kind"), [(8, "few"), (201, "many")])
def test_both_ends_of_the_committee_are_kept(count, kind, tmp_path):
    before, rows = fitted("best", EDGE, count) if kind == "few" else _many(count)
    save(tmp_path / "a.safetensors", before)
    after = load(tmp_path / "a.safetensors").fitted
    assert isinstance(after, Best) == (kind == "many")
    for mine, theirs in zip(before.fitted.predict(rows), after.predict(rows), strict=True):
        assert mine.tobytes() == theirs.tobytes()


def _many(count):
    rows = np.random.default_rng(0).permutation(EDGE.all())
    return Predictor.fit("best", EDGE, rows[:count], rows[:count].sum(1) * 1.0, "score", SMALL, 0), rows[count:]


@pytest.mark.parametrize("model", [ExtraTreesRegressor(20, random_state=0), GradientBoostingRegressor(n_estimators=20)])
def test_trees_sum_as_scikit_learn_does(model):
    random = np.random.default_rng(0)
    x, new = random.normal(size=(60, 5)), random.normal(size=(3000, 5))
    model.fit(x, x[:, 0] - x[:, 1] ** 2)
    assert Trees.of(model).predict(new).tolist() == model.predict(new).tolist()


def test_a_damaged_or_foreign_file_is_one_line(tmp_path):
    path = tmp_path / "p.safetensors"
    save(path, fitted("mlp", EDGE)[0])
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[-9] ^= 1
    spoilt = {"cut": whole[:-100], "changed": bytes(changed), "header": whole.replace(b"score", b"scare"), "empty": b""}
    for content in spoilt.values():
        path.write_bytes(content)
        with pytest.raises(LbtError, match=r"p\.safetensors: .*altered") as error:
            load(path)
        assert "\n" not in str(error.value)
    write_tensors(path, {}, {"model": "digit_cnn"})
    with pytest.raises(LbtError, match="not a saved predictor"):
        load(path)


def test_a_kept_predictor_answers_as_the_fit_did_and_needs_no_labels(tmp_path):
    space = tmp_path / "space.yaml"
    space.write_text("operations_on: edge\nnodes: 4\noperations: [none, conv, pool]\nnone: none\n")
    cells = [EDGE.format(row) for row in np.unique(EDGE.sample(80, 0), axis=0)]
    known = [float(cell.count("conv")) if number % 2 else None for number, cell in enumerate(cells)]
    write_table(tmp_path / "t.parquet", {"architecture": cells, "score": known})
    write_table(tmp_path / "bare.parquet", {"architecture": cells})
    kept = tmp_path / "p.safetensors"
    first = predict(tmp_path / "t.parquet", space, encoder="paths_gp", unseen=5, save=kept)
    assert predict_fitted(tmp_path / "t.parquet", space, kept, unseen=5).equals(first)
    assert predict_fitted(tmp_path / "bare.parquet", space, kept).num_rows == len(cells)
    space.write_text(space.read_text().replace("conv, pool", "pool, conv"))
    with pytest.raises(LbtError, match=r"p\.safetensors: fitted on the space 'cells', which differs from"):
        predict_fitted(tmp_path / "t.parquet", space, kept)
    with pytest.raises(LbtError, match="no numeric column"):
        predict(tmp_path / "bare.parquet", space)
