"""Every method runs under fp32 and a low-bit recipe, and says what it is supposed to."""

from __future__ import annotations

import pytest

from lbt.adapt.params import METHODS
from lbt.artifacts import read_table

ALL = METHODS.names()
KEYS = {
    "before/source_accuracy",
    "before/target_accuracy",
    "student/source_accuracy",
    "student/target_accuracy",
    "source_accuracy",
    "target_accuracy",
    "collapsed",
    "confident_share",
    "weight_levels",
    "memory/total_bytes",
}


@pytest.mark.parametrize("recipe", ["fp32", "int8"])
@pytest.mark.parametrize("method", ALL)
def test_every_method_runs(bench, method, recipe):
    metrics = bench.run(method=method, recipe=recipe)
    assert set(metrics) >= KEYS
    assert 0 <= metrics["target_accuracy"] <= 100
    curve = read_table(bench.outputs("job").curve)
    assert curve.num_rows >= 2
    assert curve["step"].to_pylist() == sorted(curve["step"].to_pylist())


@pytest.mark.parametrize("method", ["source_only", "adabn", "mean_teacher"])
def test_quantization_happened(bench, method):
    assert bench.run(method=method, recipe="int8")["weight_levels"] <= 256
    assert bench.run(method=method, recipe="int4")["weight_levels"] <= 16
    assert bench.run(method=method, recipe="fp32")["weight_levels"] > 256


def test_adaptation_closes_a_gap(bench):
    before = bench.run(method="source_only")["target_accuracy"]
    after = bench.run(method="target_supervised", steps=30)["target_accuracy"]
    assert after > before
    assert after > 90


def test_a_recipe_may_scale_its_loss(bench, tmp_path):
    scaled = tmp_path / "scaled.yaml"
    int8 = "{W: int8, A: int8, E: {format: int8, rounding: stochastic}, G: {format: int8, rounding: stochastic}"
    scaled.write_text(int8 + ", update: {loss_scale: 64}}")
    plain = tmp_path / "plain.yaml"
    plain.write_text(int8 + "}")
    # A scale that is a power of two moves the range with the error: the same codes, the same training.
    assert bench.run("scaled", str(scaled)) == bench.run("plain", str(plain))
