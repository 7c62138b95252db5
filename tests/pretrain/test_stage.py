"""Pretraining learns, keeps the best checkpoint, and repeats itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lbt.artifacts import Images, read_table, sha256, write_images
from lbt.errors import LbtError
from lbt.pretrain.params import PretrainJob
from lbt.pretrain.stage import Inputs, Outputs, run

QUICK = PretrainJob(steps=24, batch=16, size=16, channels=1, evaluate_every=8, augmentation="standard")


@pytest.fixture
def inputs(tmp_path) -> Inputs:
    """Bright discs on the left or the right half."""
    rng = np.random.default_rng(0)
    paths = {kind: tmp_path / f"{kind}.parquet" for kind in ("train", "validation", "test")}
    for path in paths.values():
        labels = np.arange(40) % 2
        pixels = rng.integers(0, 40, (40, 16, 16, 1))
        for image, label in zip(pixels, labels, strict=True):
            image[5:11, 3 + 6 * label : 8 + 6 * label] += 200
        write_images(path, Images(pixels.astype(np.uint8), labels.astype(np.int64), ("left", "right")))
    return Inputs(**paths)


def outputs(folder) -> Outputs:
    return Outputs(model=folder / "model.safetensors", curve=folder / "curve.parquet")


def test_it_learns_and_repeats(inputs, tmp_path):
    first, second = run(QUICK, inputs, outputs(tmp_path / "a")), run(QUICK, inputs, outputs(tmp_path / "b"))
    assert first == second
    assert first["test_accuracy"] > 90
    assert sha256(outputs(tmp_path / "a").model) == sha256(outputs(tmp_path / "b").model)
    curve = read_table(outputs(tmp_path / "a").curve).to_pydict()
    assert curve["step"] == [8, 16, 24]
    assert first["validation_accuracy"] == max(curve["validation_accuracy"])
    assert first["kept_step"] in curve["step"]


def test_no_labels_is_an_error(inputs, tmp_path):
    blank = tmp_path / "blank.parquet"
    write_images(blank, Images(np.zeros((4, 16, 16, 1), np.uint8), np.full(4, -1), ("left", "right")))
    with pytest.raises(LbtError, match=r"blank.parquet: no image has a label"):
        run(QUICK, replace(inputs, train=blank), outputs(tmp_path))
    assert not outputs(tmp_path).model.exists()


def test_divergence_is_an_error(inputs, tmp_path):
    with pytest.raises(LbtError, match="try a smaller lr"):
        run(QUICK.model_copy(update={"lr": 1e30}), inputs, outputs(tmp_path))
