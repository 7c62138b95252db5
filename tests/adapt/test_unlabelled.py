"""A target without any label: everything runs that needs none, and no accuracy is made up."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lbt.adapt.params import METHODS
from lbt.artifacts import Images, read_images, read_table, write_images
from lbt.errors import LbtError
from lbt.train.evaluation import accuracy

NEEDY = {"few_label", "fixmatch", "mean_teacher_few_label", "target_supervised"}


def with_target(bench, tmp_path, change) -> object:
    """The bench with each of the target's image tables changed."""
    paths = {}
    for part in ("train", "validation", "test"):
        paths[part] = tmp_path / f"changed.{part}.parquet"
        write_images(paths[part], change(read_images(getattr(bench.inputs.target, part)), part))
    target = dataclasses.replace(bench.inputs.target, **paths)
    return dataclasses.replace(bench, inputs=dataclasses.replace(bench.inputs, target=target))


@pytest.fixture
def blind(bench, tmp_path):
    return with_target(bench, tmp_path, lambda images, _: Images(images.pixels, images.labels * 0 - 1, ()))


@pytest.mark.parametrize("method", sorted(set(METHODS.names()) - NEEDY))
def test_methods_that_need_no_label_run(blind, bench, method):
    unseen, seen = blind.run("blind", method=method), bench.run("seen", method=method)
    for name in ("target_accuracy", "before/target_accuracy", "student/target_accuracy"):
        assert unseen[name] is None
        assert seen[name] is not None
    assert unseen["source_accuracy"] == seen["source_accuracy"]  # and it is the same network
    assert unseen["collapsed"] in (0, 1)
    curve = read_table(blind.outputs("blind").curve).to_pydict()
    assert set(curve.get("student_target_validation", [None])) == {None}


def test_what_stands_in_for_the_accuracy(blind, bench):
    metrics = blind.run(steps=1)
    shares = [metrics[f"predicted/{name}"] for name in ("top", "bottom", "left")]
    assert sum(shares) == pytest.approx(1)
    assert 0 <= metrics["agreement"] <= 1
    assert 0 < metrics["mean_entropy"] < np.log(3)
    assert not any(name.startswith("predicted/") or name == "agreement" for name in bench.run("seen", steps=1))


@pytest.mark.parametrize("method", sorted(NEEDY))
def test_methods_that_need_labels_refuse(blind, method):
    words = f"adapt.method: {method} needs labels of the target, and domain grey has none"
    with pytest.raises(LbtError, match=words):
        blind.run(method=method)


def test_classes_in_another_order_or_fewer_are_numbered_as_the_networks(bench, tmp_path):
    def turned(images: Images, part: str) -> Images:
        classes = ("left", "top", "bottom")
        labels = np.array([1, 2, 0])[images.labels]
        return Images(images.pixels, labels, classes)

    assert with_target(bench, tmp_path, turned).run("a") == bench.run("b")

    def without_left(images: Images, part: str) -> Images:
        labels = np.where(images.labels == 2, -1, images.labels)
        return Images(images.pixels, labels, ("top", "bottom"))

    metrics = with_target(bench, tmp_path, without_left).run("c")
    assert metrics["target_accuracy"] is not None


def test_accuracy_of_nothing_is_not_measured():
    import torch

    assert accuracy(torch.eye(3), torch.tensor([-1, -1, -1])) is None
    assert accuracy(torch.eye(3), torch.tensor([0, -1, 1])) == 50
