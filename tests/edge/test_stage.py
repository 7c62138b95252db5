"""One job as a function: every method and stream, determinism, resume, bad input."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lbt.artifacts import Images, read_images, read_table, sha256, write_images
from lbt.edge import loop, read_deployed
from lbt.edge.knobs import METHODS
from lbt.edge.streams import STREAMS
from lbt.errors import LbtError

LEARNING = [name for name in METHODS.names() if name not in ("none", "norm", "norm_prior", "lame")]


@pytest.mark.parametrize("method", METHODS.names())
@pytest.mark.parametrize("recipe", ["fp32", "int4"])
def test_every_method_runs_and_accounts_for_itself(bench, method, recipe):
    found = bench.run("job", method, recipe)
    assert 0 <= found["online_error"] <= 100
    assert found["online_error"] == pytest.approx(
        (found["error/gaussian_noise"] + found["error/contrast"]) / 2
    )  # as many images under each
    assert (found["parameters_trained"] > 0) == (method in LEARNING)
    assert found["memory/peak_bytes"] > found["memory/kept_bytes"] > 0
    assert found["milliseconds"] > 0
    assert found["millijoules"] > 0
    table = read_table(bench.outputs("job").answers)
    assert len(table) == 60
    network = read_deployed(bench.outputs("job").network)
    assert network(torch.zeros(2, 1, 16, 16)).shape == (2, 3)


def kill(bench, method: str, recipe: str) -> Path:
    """Interrupt the job "killed" in its fourth batch; return its checkpoint."""
    steps = []
    real = loop.Stream.batch

    def killed(self, step):
        steps.append(step)
        if len(steps) == 4:
            raise KeyboardInterrupt
        return real(self, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Stream, "batch", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.run("killed", method, recipe)
    return bench.outputs("killed").scratch / "checkpoint.safetensors"


@pytest.mark.parametrize(("method", "recipe"), [*((name, "int8") for name in LEARNING), ("mean_teacher", "fp32")])
def test_a_killed_job_ends_in_the_same_bytes(bench, method, recipe):
    whole = bench.run("whole", method, recipe)
    saved = kill(bench, method, recipe)
    assert saved.is_file()
    assert bench.run("killed", method, recipe) == whole
    assert not saved.exists()
    for file in ("answers", "network"):
        assert sha256(getattr(bench.outputs("whole"), file)) == sha256(getattr(bench.outputs("killed"), file))


def test_a_damaged_or_foreign_checkpoint_is_not_used(bench, capsys):
    whole = bench.run("whole", "tent")
    saved = kill(bench, "tent", "fp32")
    saved.write_bytes(saved.read_bytes()[:-100])
    assert bench.run("killed", "tent") == whole
    assert "checkpoint ignored" in capsys.readouterr().err
    kill(bench, "tent", "fp32")
    assert bench.run("killed", "tent", severity=1) == bench.run("other", "tent", severity=1)


@pytest.mark.parametrize("stream", STREAMS.names())
def test_every_stream_runs(bench, stream):
    found = bench.run("job", "tent", stream=stream)
    assert ("error/clean" in found) == (stream == "time")
    if stream == "time":
        assert read_table(bench.outputs("job").answers)["image"].to_pylist() == list(range(29, -1, -1))


def test_labels_of_the_stream_teach_none_but_the_bound(bench, tmp_path):
    """Images without labels give the same answers."""
    images = read_images(bench.inputs.stream)
    path = tmp_path / "bare.parquet"
    write_images(path, Images(images.pixels, np.full(len(images), -1), images.classes))
    bare = replace(bench, inputs=replace(bench.inputs, stream=path))
    for method in LEARNING:
        if method != "supervised":
            bench.run("job", method)
            found = bare.run("bare", method)
            assert found["online_error"] is None
            mine, theirs = (read_table(bench.outputs(name).answers) for name in ("job", "bare"))
            assert mine["confidence"] == theirs["confidence"]
    with pytest.raises(LbtError, match=r"edge.method: supervised needs labels"):
        bare.run("bare", "supervised")
    with pytest.raises(LbtError, match=r"30 of 30 images have no label, but the stream correlated"):
        bare.run("bare", "tent", stream="correlated")
    with pytest.raises(LbtError, match=r"no column time"):
        bare.run("bare", "tent", stream="time")


@pytest.mark.parametrize("method", METHODS.names())
def test_a_batch_of_one_works_or_is_refused_in_one_line(bench, method):
    if method == "roid":
        with pytest.raises(LbtError, match=r"edge.batch: found 1; roid needs 2 or more"):
            bench.run("job", method, batch=1, images=3)
    else:
        assert bench.run("job", method, batch=1, images=3)["online_error"] >= 0


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("method", "tnet", r"unknown method 'tnet'.*did you mean 'tent'"),
        ("corruption", "fogg", r"unknown corruption 'fogg'.*did you mean 'fog'"),
        ("stream", "mxied", r"unknown stream 'mxied'.*did you mean 'mixed'"),
        ("severity", 6, "less than or equal to 5"),
    ],
)
def test_bad_params_are_one_line(bench, key, value, told):
    with pytest.raises(ValueError, match=re.compile(told, re.DOTALL)):
        bench.params(**{key: value})


def test_low_bits_are_used_and_cost_less(bench):
    """int8 keeps fewer bytes and less energy, and its answers are other numbers."""
    full, low = bench.run("full", "tent"), bench.run("low", "tent", "int8")
    assert low["memory/kept_bytes"] < 0.4 * full["memory/kept_bytes"]
    assert low["millijoules"] < full["millijoules"]
    mine, theirs = (read_table(bench.outputs(name).answers)["confidence"] for name in ("full", "low"))
    assert mine != theirs
