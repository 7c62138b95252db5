"""The exact type where it is meant: subclasses with a forward of their own, replaced forwards, hooks, references."""

from __future__ import annotations

import types
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from lbt.errors import LbtError
from lbt.nn import explain, freeze_ranges, quantize, set_step, summary
from lbt.nn.conversion.ends import ends
from lbt.nn.layers.base import QuantizedLayer
from lbt.recipe import Recipe


class BNAct(nn.BatchNorm2d):
    """A batch norm with an activation in its forward."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).relu()


class Named(nn.BatchNorm2d):
    """A batch norm with a method of its own."""

    def name(self) -> str:
        return "named"


RANGE = Recipe.model_validate({"W": "int8", "A": "int8", "norm": "range_bn"})


@pytest.mark.parametrize("recipe", ["banner8", "wageubn", RANGE])
def test_a_batch_norm_with_a_forward_of_its_own_is_left_and_named(recipe: Any) -> None:
    model = quantize(nn.Sequential(nn.Conv2d(3, 4, 3), BNAct(4), nn.BatchNorm2d(4)), recipe)
    assert type(model[1]) is BNAct
    assert float(model[:2](torch.randn(4, 3, 6, 6)).min()) == 0
    rows = {row.name: row for row in model.lbt.table}
    assert rows["1"].now == "float"
    assert rows["1"].why == "BNAct is a BatchNorm2d with a forward of its own"
    assert rows["2"].now != "float"


def test_a_batch_norm_that_keeps_the_forward_is_replaced_and_keeps_its_hooks_and_methods() -> None:
    seen: list[str] = []
    norm = Named(4)
    norm.register_forward_hook(lambda *_: seen.append("after"))
    norm.register_forward_pre_hook(lambda *_: seen.append("before"))
    model = quantize(nn.Sequential(norm), RANGE)
    assert model[0].name() == "named"
    assert "RangeBN" in [cls.__name__ for cls in type(model[0]).__mro__]
    x = torch.randn(8, 4, 5, 5)
    from lbt.nn.norms import build

    assert torch.equal(model(x), build("range_bn", nn.BatchNorm2d(4))(x))
    assert seen == ["before", "after"]


def test_statistics_of_all_processes_do_not_become_those_of_one() -> None:
    model = quantize(nn.Sequential(nn.SyncBatchNorm(4)), RANGE)
    assert type(model[0]) is nn.SyncBatchNorm
    assert "all processes" in model.lbt.table[0].why


class Referring(nn.Module):
    """Uses its layer through references outside of the module tree."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm, self.relu = nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU()
        self.order = [self.layer, self.norm, self.relu]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for one in self.order:
            x = one(x)
        return x


@pytest.mark.parametrize("inplace", [False, True])
def test_references_outside_of_the_tree_see_the_quantized_layer(inplace: bool) -> None:
    model = quantize(Referring(), RANGE, inplace=inplace)
    assert model.order[0] is model.layer
    assert isinstance(model.order[0], QuantizedLayer)
    assert model.order[1] is model.norm
    assert model.norm.num_batches_tracked == 0
    model(torch.randn(4, 6)).sum().backward()
    assert model.norm.num_batches_tracked == 1


def test_a_replaced_forward_is_reported_not_quantized() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[0].forward = types.MethodType(lambda self, x: nn.functional.linear(x, self.weight) + 1, model[0])
    converted = quantize(model, "int8")
    rows = {row.name: row for row in converted.lbt.table}
    assert rows["0"].now == "float"
    assert rows["0"].why == "the forward of this Linear was replaced on the object"
    assert rows["1"].now == "quantized"
    x = torch.randn(2, 4)
    assert torch.equal(converted[0](x), nn.functional.linear(x, converted[0].weight) + 1)


@pytest.mark.parametrize("change", [
    lambda layer: torch.nn.utils.weight_norm(layer),
    lambda layer: torch.nn.utils.spectral_norm(layer),
    lambda layer: prune.random_unstructured(layer, "weight", 0.5),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weights_computed_by_hooks_are_quantized_in_place_and_refuse_a_copy_in_one_line(change: Any) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(change(nn.Linear(6, 6)))
    model(torch.randn(2, 6))
    with pytest.raises(LbtError, match=r"0\.weight is computed by a hook") as error:
        quantize(model, "int8")
    assert "\n" not in str(error.value)
    converted = quantize(model, Recipe.model_validate({"W": "int2"}), inplace=True)
    assert converted is model
    assert converted(torch.eye(6)).detach().sub(model[0].bias).unique().numel() <= 3
    converted(torch.randn(2, 6)).sum().backward()
    for what in (lambda: summary(model, torch.randn(2, 6)), lambda: explain(model, torch.randn(2, 6)),
                 lambda: freeze_ranges(model, torch.randn(2, 6))):  # fmt: skip
        with pytest.raises(LbtError, match=r"0\.weight is computed by a hook"):
            what()


def test_a_lazy_layer_is_refused_in_one_line() -> None:
    with pytest.raises(LbtError, match=r"'0\.weight' is not initialised yet"):
        quantize(nn.Sequential(nn.LazyLinear(4)), "int8")


class Counting(nn.Module):
    """Leaves something behind in each forward."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.calls, self.last = nn.Linear(4, 4), 0, None
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.last = x
        self.count.add_(1)
        return self.layer(x)


@pytest.mark.parametrize("inplace", [False, True])
def test_tracing_leaves_nothing_behind(inplace: bool) -> None:
    model = Counting()
    converted = quantize(model, "int8", inplace=inplace)
    for one in (model, converted):
        assert (one.calls, one.last, float(one.count)) == (0, None, 0.0)


class Heads(nn.Module):
    """Registers the last layer first; two heads, and a branch that is no end."""

    def __init__(self) -> None:
        super().__init__()
        self.box, self.label = nn.Linear(8, 4), nn.Linear(8, 3)
        self.side, self.body, self.stem = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(6, 8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.stem(x).relu()
        x = self.body(x) * self.side(x).sigmoid()
        return self.label(x), self.box(x)


def test_first_and_last_are_by_order_of_execution_and_every_head_is_last() -> None:
    assert ends(Heads()) == ({"stem"}, {"label", "box"})
    model = quantize(Heads(), "int4")
    bits = {name: module.roles.W.format.bits for name, module in model.named_modules() if hasattr(module, "roles")}
    assert bits == {"stem": 8, "body": 4, "side": 4, "label": 8, "box": 8}
    assert ends(nn.Linear(2, 2)) == ({""}, {""})
    set_step(model, 0)


def test_layers_take_their_input_by_name() -> None:
    recipe = Recipe.model_validate({"W": "int8", "A": "int8", "norm": {"name": "float_bn", "input": "int8"}})
    for layer, x in ((nn.Linear(4, 4), torch.randn(3, 4)), (nn.Conv2d(4, 4, 1), torch.randn(3, 4, 2, 2)),
                     (nn.BatchNorm2d(4), torch.randn(3, 4, 2, 2))):  # fmt: skip
        model = quantize(nn.Sequential(layer), recipe)
        assert torch.equal(model[0](input=x), model[0](x))


def test_a_complex_layer_stays_as_it_is_and_is_named() -> None:
    model = quantize(nn.Sequential(nn.Linear(4, 4), Spectral()), "int8")
    told = {line.split()[0]: line for line in str(summary(model)).splitlines() if line.strip()}
    assert "float" in told["1.mix"]
    assert "its weight is complex" in told["1.mix"]
    assert "quantized" in told["0"]
    model(torch.randn(2, 4)).sum().backward()


class Spectral(nn.Module):
    """A complex linear layer between two Fourier transforms."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(3, 3, dtype=torch.cfloat)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.fft.irfft(self.mix(torch.fft.rfft(x)), n=4)


def test_something_that_is_no_module_is_one_line() -> None:
    with pytest.raises(LbtError, match=r"quantize: found str; accepted: a torch\.nn\.Module"):
        quantize("resnet18", "int8")
