"""A user's own network and weights through pretraining, adaptation and hardware; a changed file of it reruns them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lbt import cli
from lbt.artifacts import read_json
from lbt.errors import LbtError
from lbt.models import _own
from lbt.params import load_params
from lbt.pipeline.plan import Plan
from lbt.pipeline.preflight import preflight

CODE = """
from torch import nn


def build(classes, channels):
    layers = [nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4, classes))
"""
PARAMS = """
reproducible: false
data:
  domains:
    bars: {kind: folder, path: inputs/bars}
    field: {kind: folder, path: inputs/field}
pretrain: {model: my_net:build, weights: inputs/net.pth, steps: 0, size: 16, channels: 1}
adapt: {pair: bars-field, method: [mean_teacher], recipe: [int8], steps: 2, source_steps: 2, batch: 16}
"""


@pytest.fixture
def workspace(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    (checkout / "params" / "own.yaml").write_text(PARAMS)
    (checkout / "my_net.py").write_text(CODE)
    for n in range(40):
        for folder in (f"bars/{('top', 'bottom')[n % 2]}", "field"):
            pixels = np.arange(256, dtype=np.uint8).reshape(16, 16) // 2 + n
            (checkout / "inputs" / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(checkout / "inputs" / folder / f"{n}.png")
    monkeypatch.setattr(_own, "_allowed", set())
    _own.allow("my_net:build")
    torch.manual_seed(0)
    torch.save({"state_dict": _own.raw("my_net:build", 2, 1).state_dict()}, "inputs/net.pth")
    yield checkout
    sys.modules.pop("my_net", None)


@pytest.mark.slow
def test_it_goes_through_every_stage_that_uses_a_network(workspace, monkeypatch):
    monkeypatch.setattr(_own, "_allowed", set())  # the params name it, nobody else
    for job in (["data"], ["pretrain"], ["adapt"], ["hardware", "--job", "network/int8"]):
        cli.main([*job, "--params", "params/own.yaml"])
    pretrained = read_json("results/own/pretrain/bars/0/metrics.json")
    assert (pretrained["kept_step"], pretrained["parameters"]) == (0, 4 * 9 + 4 + 8 + 10)
    assert read_json("results/own/adapt/bars-field/mean_teacher/int8/0/metrics.json")["target_accuracy"] is None
    assert read_json("results/own/hardware/network/int8/metrics.json")["images_per_second"] > 0


def test_its_code_and_its_weights_are_inputs_of_the_jobs(workspace):
    before = Plan("params/own.yaml").identity()
    assert Plan("params/own.yaml").jobs["pretrain/bars/0"].files == ("my_net.py", "inputs/net.pth")
    Path("my_net.py").write_text(CODE + "\n# changed\n")
    after = Plan("params/own.yaml").identity()
    changed = {key.split("/")[0] for key in before if before[key] != after[key] and "summary" not in key}
    assert changed == {"pretrain", "adapt", "edge", "hardware", "report"}


def test_code_of_an_installed_package_is_part_of_the_fingerprint(workspace):
    text = PARAMS.replace("my_net:build", "json:loads")
    Path("params/own.yaml").write_text(text)
    job = Plan("params/own.yaml").jobs["adapt/bars-field/mean_teacher/int8/0"]
    assert len(job.params["pretrain.model.code"]) == 64


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "nn.Linear(4, classes)",
            "nn.Linear(5, classes)",
            r"pretrain: inputs/net\.pth: .* 5\.weight has shape \(2, 4\)",
        ),
        ("nn.Linear(4, classes)", "nn.Linear(4, 3)", r"5\.weight has shape \(2, 4\), expected \(3, 4\)"),
        ("def build", "def make", r"pretrain: my_net:build: no function build in module my_net; accepted: "),
    ],
)
def test_a_mistake_is_told_by_lbt_check(workspace, old, new, words):
    sys.modules.pop("my_net", None)
    Path("my_net.py").write_text(CODE.replace(old, new) + "#" * len(old))  # another size: no stale byte code
    with pytest.raises(LbtError, match=words):
        preflight(load_params("params/own.yaml"))


def test_no_steps_without_weights(workspace):
    Path("params/own.yaml").write_text(PARAMS.replace("weights: inputs/net.pth, ", ""))
    with pytest.raises(LbtError, match=r"pretrain\.steps: found 0; accepted: 1 or more, or weights"):
        load_params("params/own.yaml")


def test_weights_outside_the_workspace(workspace):
    Path("params/own.yaml").write_text(PARAMS.replace("inputs/net.pth", "/net.pth"))
    with pytest.raises(LbtError, match=r"pretrain\.weights: found '/net.pth'; accepted: a path inside the workspace"):
        load_params("params/own.yaml")
