"""network.yaml: the same network by file, by line and from a weights file's header."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from click.testing import CliRunner

from lbt.artifacts import read_tensors, write_tensors
from lbt.cli import cli
from lbt.errors import LbtError
from lbt.models import Architecture, Chain, build, build_with, check, read_model, resolved, write_model
from lbt.params import Params
from lbt.pipeline.own_network import files_of

TEXT = "chain 8s2 mb5e2w16d2s2 conv3w16d1p2 head24"
FILE = """
kind: chain
stem: {width: 8, stride: 2}
stages:
- {kernel: 5, expansion: 2, width: 16, depth: 2, down: stride}
- {block: conv, width: 16, down: pool}
head: 24
"""


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("inputs").mkdir()
    Path("inputs/network.yaml").write_text(FILE)
    return "inputs/network.yaml"


def test_a_file_and_its_line_are_the_same_network(network):
    assert resolved(network) == TEXT == check(TEXT)
    one, other = build(network, 3, 1, seed=2), build(TEXT, 3, 1, seed=2)
    assert one.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    x = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(one(x), one.classifier(one.features(x)))


def test_a_weights_file_needs_no_other_file(network):
    model = build_with(Architecture(network, ("a", "b"), 1, 32), None)
    write_model("m.safetensors", model, Architecture(resolved(network), ("a", "b"), 1, 32))
    Path(network).unlink()
    again, architecture = read_model("m.safetensors")
    assert architecture.model == TEXT
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_a_weights_file_makes_nobody_read_another_file(network):
    write_model("m.safetensors", build(TEXT, 2, 1), Architecture(TEXT, ("a", "b"), 1, 32))
    tensors, extra = read_tensors("m.safetensors")
    write_tensors("m.safetensors", tensors, {**extra, "model": network})
    with pytest.raises(LbtError, match="found the path"):
        read_model("m.safetensors")


def test_the_params_take_it_and_the_job_depends_on_it(network):
    params = Params.model_validate({"pretrain": {"model": network}})
    assert files_of(params) == (network,)
    with pytest.raises(ValueError, match="inside the workspace"):
        Params.model_validate({"pretrain": {"model": "/etc/network.yaml"}})


def test_the_cost_takes_it(network):
    cost = CliRunner().invoke(cli, ["cost", "--model", network, "--shape", "1,32,32"], catch_exceptions=False)
    assert "int8 on zcu102" in cost.output


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "chian"}, "kind: found 'chian'; accepted: chain"),
        ({"stems": 1}, "stems: unknown key; accepted: head, kind, source, stages, stem"),
        ({"stages": [{"width": 8, "kernel": 4}]}, "stages.0.kernel: found 4; accepted: 1, 3, 5, 7"),
        ({"stages": [{"width": 0}]}, "stages.0.width"),
        ({"stages": [{"width": 8, "block": "conv", "expansion": 2}]}, "of mbconv only"),
    ],
)
def test_a_wrong_file_is_one_line(network, change, words):
    Path(network).write_text(yaml.safe_dump({**yaml.safe_load(FILE), **change}))
    with pytest.raises(LbtError, match=words) as error:
        build(network, 2, 1)
    assert str(error.value).startswith(network)


@pytest.mark.parametrize("text", ["chain ", "chain 8s3", "chain 8s2 conv3e2w8d1", "chain 8s2 mb3w8d1", "chain 8s2  "])
def test_a_wrong_line_is_refused(text):
    with pytest.raises(LbtError, match="accepted"):
        check(text)


def test_a_missing_file_is_named():
    with pytest.raises(LbtError, match=r"none\.yaml: no such file"):
        check("none.yaml")


def test_a_description_says_itself_in_one_line():
    assert Chain.model_validate(yaml.safe_load(FILE)).text == TEXT
