"""A user's own network: code that is imported only when it is named, weights that fit or are refused in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lbt.errors import LbtError
from lbt.models import Architecture, _own, allow, build, build_with, check, read_model, write_model

CODE = """
from pathlib import Path
from torch import nn

Path("imported").touch()


class Net(nn.Module):
    def __init__(self, classes, channels):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Linear(4, classes)

    def forward(self, x):
        return self.head(self.stem(x).mean((2, 3)))


class Soft(Net):
    def forward(self, x):
        return super().forward(x).softmax(1)


def build(classes, channels):
    return Net(classes, channels)


def soft(classes, channels):
    return Soft(classes, channels)


def convolutional(classes, channels):
    return nn.Sequential(nn.Conv2d(channels, classes, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def broken(classes, channels):
    raise ValueError("no such\\nluck")


def nothing(classes, channels):
    return None
"""
ARCHITECTURE = Architecture("my_net:build", ("a", "b", "c"), 1, 16)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_own, "_allowed", set())
    Path("my_net.py").write_text(CODE)
    yield tmp_path
    sys.modules.pop("my_net", None)


def own(function: str = "build") -> str:
    allow(f"my_net:{function}")
    return f"my_net:{function}"


def named(function: str = "build") -> Architecture:
    return Architecture(own(function), ("a", "b", "c"), 1, 16)


def test_the_last_linear_layer_becomes_the_classifier() -> None:
    network = build_with(named(), None)
    x = torch.randn(2, 1, 16, 16)
    assert isinstance(network.classifier, nn.Linear)
    assert network.eval().features(x).shape == (2, 4)
    torch.testing.assert_close(network(x), network.classifier(network.features(x)))


def test_code_that_nobody_named_is_not_imported(tmp_path: Path) -> None:
    write_model("m.safetensors", nn.Linear(1, 1), ARCHITECTURE)
    with pytest.raises(
        LbtError, match=r"my_net:build, code that nobody has named: set pretrain\.model to it, or call lbt\.m"
    ):
        read_model("m.safetensors")
    assert check("my_net:build") == "my_net:build"
    assert not Path("imported").exists()


def test_it_reads_back_once_it_is_named() -> None:
    network = build_with(named(), None)
    write_model("m.safetensors", network, ARCHITECTURE)
    back, architecture = read_model("m.safetensors")
    assert architecture == ARCHITECTURE
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), back.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("kind", ["safetensors", "plain", "nested", "parallel"])
def test_weights_under_the_names_of_the_users_network(kind: str) -> None:
    raw = _own.raw(own(), 3, 1)
    state = {name: torch.randn_like(t).abs() if t.is_floating_point() else t for name, t in raw.state_dict().items()}
    path = Path("w.safetensors" if kind == "safetensors" else "w.pth")
    match kind:
        case "safetensors":
            save_file(state, path)
        case "plain":
            torch.save(state, path)
        case "nested":
            torch.save({"epoch": 3, "state_dict": state}, path)
        case "parallel":
            torch.save({f"module.{name}": tensor for name, tensor in state.items()}, path)
    network = build_with(named(), path)
    assert torch.equal(network.classifier.weight, state["head.weight"])
    assert torch.equal(network.features.stem[0].weight, state["stem.0.weight"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda s: s.pop("head.bias"),
            r"w\.pth: weights do not fit my_net:build: no tensor head\.bias .*\(1 missing\)",
        ),
        (lambda s: s.update(extra=torch.ones(1)), r"it has no extra \(1 more than it has\)"),
        (lambda s: s.update({"head.weight": torch.ones(5, 4)}), r"head\.weight has shape \(5, 4\), expected \(3, 4\)"),
        (lambda s: s.update({"head.bias": torch.ones(3, dtype=torch.int64)}), r"head\.bias is torch\.int64, expected"),
    ],
)
def test_a_mismatch_names_the_tensor(change, words: str) -> None:
    state = _own.raw(own(), 3, 1).state_dict()
    change(state)
    torch.save(dict(state), "w.pth")
    with pytest.raises(LbtError, match=words):
        build_with(named(), Path("w.pth"))


def test_weights_that_hold_nan_are_refused() -> None:
    state = _own.raw(own(), 3, 1).state_dict()
    state["head.bias"].fill_(float("nan"))
    torch.save(dict(state), "w.pth")
    with pytest.raises(LbtError, match="my_net:build: gives logits that are not finite for two images"):
        build_with(named(), Path("w.pth"))


class Trap:
    def __reduce__(self):
        return (Path.touch, (Path("sprung"),))


def test_a_pickle_in_a_checkpoint_is_not_run() -> None:
    torch.save({"state_dict": Trap()}, "w.pth")
    with pytest.raises(LbtError, match=r"w\.pth: not a readable PyTorch file"):
        build_with(named(), Path("w.pth"))
    assert not Path("sprung").exists()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("broken", r"my_net:broken: broken\(3, 1\) cannot be called: ValueError: no such luck"),
        ("absent", r"my_net:absent: no function absent in module my_net"),
        ("biuld", r"my_net:biuld: no function biuld in module my_net; accepted: .*\(did you mean 'build'\?\)"),
        ("nothing", r"gives None; accepted: a torch\.nn\.Module"),
        ("convolutional", r"its last linear layer is none; accepted: one with 3, the number of classes"),
        ("soft", r"its last linear layer is not its last operation"),
    ],
)
def test_code_that_gives_no_network_is_one_line(function: str, words: str) -> None:
    with pytest.raises(LbtError, match=words):
        build_with(named(function), None)


def test_a_misspelt_function_or_module_is_told_the_nearest() -> None:
    with pytest.raises(LbtError, match=r"accepted: Net, Soft, build, soft, .*did you mean 'build'"):
        build_with(named("buil"), None)
    allow("my_nte:build")
    with pytest.raises(LbtError, match=r"no module my_nte; accepted: .*did you mean 'my_net'"):
        build("my_nte:build", 3, 1)


def test_a_module_that_is_not_there() -> None:
    allow("no_such:build")
    with pytest.raises(LbtError, match="cannot be imported: no module no_such; accepted: a module in /"):
        build("no_such:build", 3, 1)


@pytest.mark.parametrize("name", ["os:system", "a.b.c:d"])
def test_names_of_own_networks(name: str) -> None:
    assert check(name) == name


@pytest.mark.parametrize("name", ["my net:build", ":build", "a:", "a:b:c", "a:b()", "../a:b"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(LbtError, match=r"accepted: my_package\.my_module:function"):
        check(name)


def test_code_of_another_workspace_is_not_taken_for_this_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert build_with(named(), None).classifier.in_features == 4
    other = tmp_path / "other"
    other.mkdir()
    (other / "my_net.py").write_text(CODE.replace("nn.Conv2d(channels, 4", "nn.Conv2d(channels, 6").replace(
        "BatchNorm2d(4)", "BatchNorm2d(6)").replace("nn.Linear(4", "nn.Linear(6"))  # fmt: skip
    monkeypatch.chdir(other)
    assert build_with(named(), None).classifier.in_features == 6
