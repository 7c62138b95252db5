"""explain: what it reports is what happened in the step."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

import lbt.nn
from lbt.errors import LbtError
from lbt.nn.explain import describe, explain, heat_map
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec


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
