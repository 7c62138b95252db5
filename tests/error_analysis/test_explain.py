"""explain: what it reports is what happened in the step."""

from __future__ import annotations

import copy
import dataclasses
import math

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import lbt.nn
from lbt.error_analysis.explain import History, describe, explain, heat_map
from lbt.errors import LbtError
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec
from lbt.recipe import Recipe


def network() -> nn.Sequential:
    g = torch.Generator().manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(128, 4)
    )
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=g) * 0.3)
    return model


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    return torch.randn(16, 1, 8, 8, generator=g), torch.arange(16) % 4


def test_a_row_for_each_layer_and_role() -> None:
    table = explain(network(), batch(), recipe="int8")
    rows = table.to_pylist()
    assert {row["layer"] for row in rows} == {"0", "3", "5"}
    assert {row["role"] for row in rows} >= {"W", "A", "E", "G"}
    for row in rows:
        assert row["levels"] > 2
        assert row["sqnr"] > 10
        assert 0 <= row["clipped_share"] <= 1


def test_the_model_is_left_as_it_was() -> None:
    model = lbt.nn.quantize(network(), "int8")
    before = copy.deepcopy(model.state_dict())
    calls = dict(model.lbt.calls)
    explain(model, batch())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert model.lbt.calls == calls
    assert not any(m._forward_pre_hooks for m in model.modules())


def test_a_converted_model_and_a_float_one_with_the_recipe_agree() -> None:
    assert explain(network(), batch(), recipe="int8").equals(explain(lbt.nn.quantize(network(), "int8"), batch()))


def test_fewer_bits_give_more_error() -> None:
    eight, four = (
        {row["role"]: row for row in explain(network(), batch(), recipe=name).to_pylist() if row["layer"] == "3"}
        for name in ("int8", "int4")  # the layer in the middle: int4 keeps 8 bits at both ends
    )
    for role in "WAE":
        a, b = eight[role], four[role]
        assert a["sqnr"] > b["sqnr"] + 10
        assert a["levels"] > b["levels"]
        assert b["levels"] <= 15


def test_without_labels_the_predictions_serve() -> None:
    rows = explain(network(), batch()[0], recipe="int8").to_pylist()
    assert {row["role"] for row in rows} >= {"E", "G"}


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_a_gaussian_tensor_is_as_predicted(rounding: str) -> None:
    x = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    spec = RoleSpec.model_validate({"format": "int4", "range": {"rule": "sigma", "k": 2.5}, "rounding": rounding})
    row = describe(x, spec, Key(layer="conv", role="A"))
    assert row["sqnr"] == pytest.approx(row["predicted_gaussian"], abs=0.2)
    assert row["limit_sigma"] == pytest.approx(2.5, rel=1e-3)
    assert row["clipped_share"] == pytest.approx(math.erfc(2.5 / math.sqrt(2)), rel=0.05)
    assert row["levels"] == 15
    assert (row["layer"], row["role"], row["bits"]) == ("conv", "A", 4)


GRAINED = [(form, {"granularity": g}) for form in ("uint8", "e4m3", "bf16", "ternary") for g in ("tensor", "channel")]


@pytest.mark.parametrize(("form", "options"), [*GRAINED, ("mxe4m3", {})])  # the last brings its own blocks
def test_any_format(form: str, options: dict[str, str]) -> None:
    row = describe(torch.randn(8, 32), RoleSpec.model_validate({"format": form, **options}), Key(role="A"))
    assert row["sqnr"] > 0


def test_zeros_are_reported_not_crashed_on() -> None:
    row = describe(torch.zeros(10), RoleSpec.model_validate("int8"), Key(role="E"))
    assert row["sqnr"] is None
    assert row["levels"] == 1


class Branches(nn.Module):
    """A norm, a sum and a pool whose tensors are quantized."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.add, self.pool, self.head = lbt.nn.Add(), nn.AvgPool2d(4), nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.head(torch.flatten(self.pool(self.add(x, self.norm(x)).relu_()), 1))


def test_norms_pools_and_sums_have_rows_too() -> None:
    eight = {"format": "int8", "rounding": "stochastic"}
    norm = {"name": "float_bn", "input": "int8", "output": "int4", "error": "int6"}
    recipe = Recipe.model_validate({"A": "int8", "W": "int8", "E": eight, "norm": norm})
    torch.manual_seed(0)
    rows = explain(Branches(), batch(), recipe=recipe).to_pylist()
    found = {(row["layer"], row["role"]): row for row in rows}
    for layer in ("norm", "add", "pool"):
        for role in ("A", "E"):
            assert found[layer, role]["levels"] > 4, (layer, role)
            # null is exact: what the pool hands back lies on an 8-bit grid already
            assert (found[layer, role]["sqnr"] or 99) > 10, (layer, role)
    assert {row["layer"] for row in rows} == {"conv", "norm.input", "norm", "add", "pool", "head"}
    assert ("norm.input", "E") not in found
    assert found["norm", "A"]["levels"] <= 15
    assert found["norm", "E"]["bits"] == 6
    assert found["norm", "A"]["sqnr"] < found["norm.input", "A"]["sqnr"] - 15  # int4 against int8
    assert found["norm", "A"]["bits_needed"] >= 4


def test_a_folded_layer_shows_the_weight_that_is_quantized() -> None:
    model = lbt.nn.quantize(network(), Recipe.model_validate({"W": "int8", "norm": "folded_bn"}))
    model[1].running_var.fill_(4)
    rows = {(row["layer"], row["role"]): row for row in explain(model, batch()).to_pylist()}
    limit = model[1].fold(model[0].weight, model[0].bias)[0].detach().abs().max()
    assert rows["0", "W"]["scale"] == pytest.approx(float(limit) / 127)


def test_history_of_a_training_run() -> None:
    model = lbt.nn.quantize(network(), "int8")
    update = lbt.nn.optimizer(model, lr=0.05)
    history = History(batch(), every=2)
    for step in range(5):
        lbt.nn.set_step(model, step)
        update.zero_grad()
        nn.functional.cross_entropy(model(batch()[0]), batch()[1]).backward()
        update.step()
        history.see(model)
    table = history.table()
    assert sorted(set(table["step"].to_pylist())) == [0, 2, 4]
    scales = {row["step"]: row["scale"] for row in table.to_pylist() if (row["layer"], row["role"]) == ("5", "W")}
    assert len(set(scales.values())) == 3  # the weights moved
    axes = heat_map(table, "cosine_distance", role="E").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "2", "4"]
    with pytest.raises(LbtError, match="unknown role 'U'"):
        heat_map(table, role="U")
    with pytest.raises(LbtError, match="every: found 0"):
        History(batch(), every=0)


@pytest.mark.parametrize("granularity", ["channel", "sample"])
def test_bits_needed_with_a_scale_for_each_group(granularity: str) -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(8, 6, 5, 5, generator=g) * torch.logspace(-2, 2, 6 if granularity == "channel" else 8).view(
        (1, 6, 1, 1) if granularity == "channel" else (8, 1, 1, 1)
    )
    needed = [describe(x, RoleSpec(format="int8", granularity=grain), Key(role="A"))["bits_needed"]
              for grain in (granularity, "tensor")]  # fmt: skip
    assert needed[0] <= needed[1]
    assert 4 <= needed[0] <= 6


def test_heat_map_shows_every_layer() -> None:
    table = explain(network(), batch(), recipe="int8")
    axes = heat_map(table).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "3", "5"]
    assert len(axes.texts) == table.num_rows
    with pytest.raises(LbtError, match="unknown column 'snr'"):
        heat_map(table, "snr")


def test_mistakes_are_one_line() -> None:
    with pytest.raises(LbtError, match="give the recipe"):
        explain(network(), batch())
    with pytest.raises(LbtError, match="leave recipe out"):
        explain(lbt.nn.quantize(network(), "int8"), batch(), recipe="int8")
    with pytest.raises(LbtError, match="quantizes no layer"):
        explain(network(), batch(), recipe="fp32")


class Language(nn.Module):
    """Tokens by name, a dataclass of results, one layer by keyword, one product by a function."""

    @dataclasses.dataclass
    class Output:
        hidden: torch.Tensor
        logits: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.table, self.layer = nn.Embedding(11, 8), nn.Linear(8, 8)
        self.attention, self.weight = nn.MultiheadAttention(8, 2, batch_first=True), nn.Parameter(torch.randn(8, 11))

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> Language.Output:
        x = self.layer(input=self.table(tokens)) * mask[..., None]
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.Output(x, x @ self.weight)


@pytest.mark.parametrize("labelled", [False, True])
def test_inputs_by_name_and_results_in_a_dataclass(labelled: bool) -> None:
    torch.manual_seed(0)
    inputs = {"tokens": torch.randint(0, 11, (2, 5)), "mask": torch.ones(2, 5)}
    batch = (inputs, torch.randint(0, 11, (2, 5))) if labelled else inputs
    rows = explain(Language(), batch, recipe=Recipe.model_validate({"W": "int8", "A": "int8", "E": "int8"})).to_pylist()
    found = {(row["layer"], row["role"]) for row in rows}
    for layer in ("layer", "attention.in_proj", "attention.out_proj", "matmul(weight)"):
        assert {(layer, role) for role in "WAE"} <= found, layer


def test_an_output_without_classes_asks_for_a_loss() -> None:
    model = nn.Sequential(nn.Linear(4, 1), nn.Flatten(0))
    with pytest.raises(LbtError, match=r"an output of shape \(3,\), which has no classes; give a loss_fn"):
        explain(model, torch.randn(3, 4), recipe="int8")
    rows = explain(model, (torch.randn(3, 4), torch.ones(3)), nn.functional.mse_loss, recipe="int8").to_pylist()
    assert {row["role"] for row in rows} >= {"W", "A", "E"}


class Recurrent(nn.Module):
    """One layer in three steps, whose error grows from each to the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for step in range(3):
            x = torch.tanh(self.step(x)) * 4**step
        return self.head(x)

    def step(self, x: torch.Tensor) -> torch.Tensor:
        return self.cell(x)


class Checkpointed(Recurrent):
    def step(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = checkpoint(self.cell, x, use_reentrant=False)
        return y


def test_a_layer_of_several_calls_has_one_row_a_role_over_all_of_them() -> None:
    torch.manual_seed(0)
    model, x = Recurrent(), torch.randn(5, 8)
    rows = {(row["layer"], row["role"]): row for row in explain(model, x, recipe="int8").to_pylist()}
    assert {role: rows["cell", role]["elements"] for role in "WAEG"} == {"W": 64, "A": 120, "E": 120, "G": 192}
    assert {role: rows["head", role]["elements"] for role in "WAEG"} == {"W": 32, "A": 40, "E": 20, "G": 32}
    inputs: list[torch.Tensor] = []
    converted = lbt.nn.quantize(model, "int8")
    converted.cell.register_forward_pre_hook(lambda _, given: inputs.append(given[0].detach().clone()))
    converted(x)
    each = [describe(one, converted.cell.roles.A, Key(layer="cell", role="A")) for one in inputs]
    assert rows["cell", "A"]["scale"] == sorted(one["scale"] for one in each)[1]
    # each call is quantized in its own range: together they are no worse than the worst
    assert min(one["sqnr"] for one in each) <= rows["cell", "A"]["sqnr"] <= max(one["sqnr"] for one in each)
    assert rows["cell", "A"]["predicted_gaussian"] is None  # no single range


def test_a_pass_that_checkpointing_makes_again_is_no_other_call() -> None:
    torch.manual_seed(0)
    model, again, x = Recurrent(), Checkpointed(), torch.randn(5, 8)
    again.load_state_dict(model.state_dict())
    assert explain(again, x, recipe="int8").equals(explain(model, x, recipe="int8"))


def test_a_pair_is_both_arguments_of_a_model_that_needs_two() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 4)

        def forward(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.layer(x - other)
            return y

    torch.manual_seed(0)
    model, x, other = Two(), torch.randn(5, 8), torch.randn(5, 8)
    found = explain(model, (x, other), recipe="int8")
    assert found.num_rows == 4
    assert found.equals(explain(model, [x, other], recipe="int8"))
    labels = torch.zeros(5, dtype=torch.int64)
    assert explain(model, ((x, other), labels), recipe="int8").num_rows == 4


def test_the_gradient_of_a_tied_weight_is_its_own_products() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(6, 8), nn.Linear(8, 6, bias=False)
            self.head.weight = self.table.weight

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.head(self.table(tokens).mean(1))
            return y

    torch.manual_seed(0)
    tied, tokens = Tied(), torch.arange(12).reshape(4, 3) % 6
    apart = copy.deepcopy(tied)
    apart.head.weight = nn.Parameter(tied.head.weight.detach().clone())
    for row, other in zip(*(explain(m, tokens, recipe="int8").to_pylist() for m in (tied, apart)), strict=True):
        assert row == other
