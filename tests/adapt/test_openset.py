"""Targets with classes that the network does not know, or without some that it knows."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lbt.adapt.openset import auroc, class_sets
from lbt.adapt.params import AdaptParams
from lbt.adapt.stage import run
from lbt.artifacts import UNKNOWN, Images, numbered, read_images, write_images
from lbt.errors import LbtError

SCORES = st.lists(st.integers(0, 6), min_size=1, max_size=12)


@given(SCORES, SCORES)
def test_the_area_is_the_share_of_pairs(positive, negative):
    pairs = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    found = auroc(torch.tensor(positive, dtype=torch.float32), torch.tensor(negative, dtype=torch.float32))
    assert found == pytest.approx(np.mean(pairs))


def test_classes_by_hand():
    sure, torn, lost = [0.98, 0.01, 0.01], [0.5, 0.5, 0.0], [0.375, 0.375, 0.25]
    probabilities, labels = torch.tensor([sure, lost, torn, lost, sure]), torch.tensor([0, UNKNOWN, 0, -1, 1])
    found = class_sets(probabilities, labels, ("a", "b", "c"), ("a", "b", "strange"))
    assert found.pop("absent_share") == 0  # no image is predicted to be c
    assert found == {
        "unknown_images": 1,
        "unknown_share": 0.25,  # of four that have a label
        "unknown/entropy_auroc": 1.0,
        "unknown/margin_auroc": pytest.approx(2.5 / 3),  # the margin of lost is that of torn
    }
    assert class_sets(probabilities, labels, ("a", "b", "c"), ("b", "c"))["absent_share"] == 1.0
    assert class_sets(probabilities, labels.clamp_min(-1), ("a", "b", "c"), ("a", "b", "c")) == {}
    assert class_sets(probabilities, labels.clamp_min(-1), ("a", "b", "c"), ()) == {}
    nothing_known = class_sets(probabilities, torch.full((5,), UNKNOWN), ("a", "b", "c"), ("x",))
    assert nothing_known["unknown/entropy_auroc"] is None


def test_numbers_of_classes():
    labels = np.array([0, 1, 2, -1])
    assert numbered(labels, ("x", "b", "a"), ("a", "b"), "here").tolist() == [UNKNOWN, 1, 0, -1]
    assert numbered(labels[3:], (), ("a", "b"), "here").tolist() == [-1]
    with pytest.raises(LbtError, match=r"here: none of its classes \['x', 'y'\] is one of those of the pretrained"):
        numbered(labels, ("x", "y"), ("a", "b"), "here")


@pytest.fixture
def open_bench(bench, tmp_path):
    """The bench, a third of whose target images are of the class "noise"."""
    paths = {}
    for part in ("train", "validation", "test"):
        images = read_images(getattr(bench.inputs.target, part))
        pixels, labels = images.pixels.copy(), images.labels.copy()
        strange = np.arange(len(labels)) % 6 > 3
        pixels[strange] = np.random.default_rng(0).integers(0, 256, pixels[strange].shape)
        labels[strange] = 3
        paths[part] = tmp_path / f"open.{part}.parquet"
        write_images(paths[part], Images(pixels, labels, (*images.classes, "noise")))
    target = dataclasses.replace(bench.inputs.target, **paths)
    return dataclasses.replace(bench, inputs=dataclasses.replace(bench.inputs, target=target))


@pytest.mark.parametrize("method", ["adabn", "mean_teacher", "few_label"])
def test_unknown_classes_are_left_out_of_the_accuracy(open_bench, method):
    metrics = open_bench.run(method=method)
    test = read_images(open_bench.inputs.target.test)
    assert metrics["unknown_images"] == (test.labels == 3).sum()
    assert metrics["unknown_share"] == pytest.approx((test.labels == 3).mean())
    assert metrics["labelled_test_images"] == (test.labels < 3).sum()
    assert 0 <= metrics["unknown/entropy_auroc"] <= 1
    assert 0 <= metrics["unknown/margin_auroc"] <= 1
    assert "absent_share" not in metrics


def test_the_accuracy_is_that_of_the_predictions_on_known_classes(open_bench, tmp_path):
    params = AdaptParams(steps=1, source_steps=1, batch=12).job("bars-grey", "source_only", "fp32", 0)
    outputs = dataclasses.replace(open_bench.outputs("job"), predictions=tmp_path / "p.csv")
    metrics = run(params, open_bench.inputs, outputs)
    rows = list(csv.DictReader((tmp_path / "p.csv").open()))
    known = [row["label"] == row["predicted"] for row in rows if row["label"] != "noise"]
    assert metrics["target_accuracy"] == pytest.approx(100 * np.mean(known))
    assert any(row["label"] == "noise" for row in rows)


def test_a_class_that_never_comes(bench, tmp_path):
    paths = {}
    for part in ("train", "validation", "test"):
        images = read_images(getattr(bench.inputs.target, part))
        kept = images.take(np.flatnonzero(images.labels < 2))
        paths[part] = tmp_path / f"partial.{part}.parquet"
        write_images(paths[part], Images(kept.pixels, kept.labels, kept.classes[:2]))
    target = dataclasses.replace(bench.inputs.target, **paths)
    partial = dataclasses.replace(bench, inputs=dataclasses.replace(bench.inputs, target=target))
    metrics = partial.run(method="source_only")
    assert 0 <= metrics["absent_share"] <= 1
    assert not any(name.startswith("unknown") for name in metrics)
    assert not any(name in bench.run("all", method="source_only") for name in ("absent_share", "unknown_share"))
