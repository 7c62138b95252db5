"""Bytes on the device: what a method says that it keeps, in the account of the hardware stage."""

from __future__ import annotations

import pytest
import torch

from lbt.adapt.memory import device_memory
from lbt.adapt.method import Base, Task
from lbt.adapt.params import METHODS, AdaptParams
from lbt.hardware import cost
from lbt.hardware.params import HardwareParams
from lbt.models import build
from lbt.recipe import Recipe
from lbt.train.batches import Examples

CLASSES = ("a", "b", "c")
WEIGHTS = sum(p.numel() for p in build("digit_cnn", 3, 1).parameters())
PIXELS = 16 * 16


def examples(count: int, name: str) -> Examples:
    return Examples(torch.zeros(count, 1, 16, 16), torch.arange(count) % 3, CLASSES, name)


def made(method: str, recipe: str, **knobs: object) -> Base:
    params = AdaptParams.model_validate({"batch": 4, "labels_per_class": 2, **knobs}).job("s-t", method, recipe, 0)
    task = Task(params, Recipe.load(recipe), build("digit_cnn", 3, 1), examples(30, "s"), examples(18, "t"))
    return METHODS.load(method).Method(task)


def test_source_free_methods_need_no_source_data(bench):
    for method in ("adabn", "tent", "shot", "fixmatch", "few_label"):
        assert bench.run(method=method)["memory/source_data_bytes"] == 0
    assert bench.run(method="mean_teacher")["memory/source_data_bytes"] == 60 * 16 * 16


def test_low_bits_need_less_memory(bench):
    fp32, int8 = (bench.run(method="mean_teacher", recipe=recipe) for recipe in ("fp32", "int8"))
    assert int8["memory/activations_bytes"] < 0.35 * fp32["memory/activations_bytes"]
    assert fp32["memory/second_network_bytes"] > 0


@pytest.mark.parametrize("recipe", ["fp32", "int8", "thesis"])
def test_one_training_has_the_same_bytes_in_both_stages(recipe):
    found = device_memory(made("target_supervised", recipe))
    options = HardwareParams(teacher=False, images=18)
    other = cost(build("digit_cnn", 3, 1), (1, 16, 16), recipe=recipe, batch=4, options=options).metrics()
    assert {f"storage_{name}_bytes": value for name, value in found.items() if name != "total"} == pytest.approx(
        {key: value for key, value in other.items() if key.startswith("storage_") and key != "storage_bytes"}, abs=1
    )
    assert found["total"] == pytest.approx(other["storage_bytes"], abs=9)


def test_lines_by_hand():
    int8, fp32 = (device_memory(made("mean_teacher", recipe)) for recipe in ("int8", "fp32"))
    assert (int8["source_data"], int8["target_data"]) == (30 * PIXELS, 18 * PIXELS)
    assert (int8["weights"], int8["master"], int8["gradients"]) == (WEIGHTS, 4 * WEIGHTS, WEIGHTS)
    assert (fp32["weights"], fp32["master"], fp32["gradients"]) == (4 * WEIGHTS, 0, 4 * WEIGHTS)
    assert int8["second_network"] == WEIGHTS + 4 * WEIGHTS + int8["statistics"]
    assert fp32["second_network"] == 4 * WEIGHTS + fp32["statistics"]


@pytest.mark.parametrize(("knobs", "moments"), [({}, 1), ({"momentum": 0.0}, 0), ({"optimizer": "adam"}, 2)])
def test_the_optimizer_keeps_its_moments(knobs, moments):
    assert device_memory(made("target_supervised", "fp32", **knobs))["optimizer"] == 4 * moments * WEIGHTS


def test_every_batch_that_waits_counts():
    one, two, three = (
        device_memory(made(name, "int8"))["activations"]
        for name in ("target_supervised", "mean_teacher", "mean_teacher_few_label")
    )
    assert 0 < two - one == three - two < one


def test_a_method_that_trains_little_keeps_little():
    few, all_ = device_memory(made("tent", "int8")), device_memory(made("target_supervised", "int8"))
    norms = sum(p.numel() for norm in made("tent", "int8").norms for p in norm.parameters())
    assert (few["gradients"], few["master"], few["optimizer"]) == (norms, 4 * norms, 4 * norms)
    assert few["activations"] < all_["activations"]


def test_nothing_is_trained_without_a_graph():
    for name in ("source_only", "adabn"):
        found = device_memory(made(name, "int8"))
        assert (found["master"], found["gradients"], found["optimizer"]) == (0, 0, 0)
    assert device_memory(made("source_only", "int8"))["activations"] == 0


def test_a_trained_second_network_has_gradients_and_momentum():
    found, plain = device_memory(made("dann", "fp32")), device_memory(made("dsbn", "fp32"))
    judge = sum(p.numel() for p in made("dann", "fp32").networks["discriminator"].parameters())
    assert found["second_network"] == 4 * judge
    assert found["gradients"] - 4 * judge == 4 * WEIGHTS
    assert plain["gradients"] > 4 * WEIGHTS
