"""Loss scaling leaves the numbers alone, leaves out what overflows, and counts it; deviation slows a layer down."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from lbt.errors import LbtError
from lbt.nn import optimizer, quantize, scale_loss, set_step
from lbt.recipe import Recipe

INT8 = {"W": "int8", "A": "int8", "E": {"format": "int8", "rounding": "stochastic"}}


def network(update: dict, **roles: object) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    return quantize(model, Recipe.model_validate({**INT8, **roles, "update": update}), seed=3)


def train(model: nn.Module, opt: torch.optim.Optimizer, steps: range, factor: dict[int, float] | None = None) -> None:
    """A few steps; at step s the loss is multiplied by ``factor[s]``."""
    for step in steps:
        set_step(model, step)
        x = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(step))
        opt.zero_grad()
        loss = model(x).square().mean() * (factor or {}).get(step, 1.0)
        scale_loss(model, loss).backward()
        opt.step()


@pytest.mark.parametrize("setting", [1024.0, "dynamic"])
def test_a_power_of_two_scale_changes_nothing_where_ranges_are_found(setting: float | str) -> None:
    plain, scaled = network({}), network({"loss_scale": setting})
    train(plain, optimizer(plain, lr=0.1), range(4))
    train(scaled, optimizer(scaled, lr=0.1), range(4))
    for a, b in zip(plain.parameters(), scaled.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-7, rtol=1e-6)


def test_fp16_errors_need_it() -> None:
    """Errors below 2^-25 vanish in fp16; scaled, they arrive."""
    moved = []
    for update in ({}, {"loss_scale": 2.0**14}):
        model = network(update, E="fp16")
        before = model[0].weight.detach().clone()
        train(model, optimizer(model, lr=1e6, momentum=0), range(1), {0: 2.0**-24})
        moved.append(not torch.equal(before, model[0].weight))
    assert moved == [False, True]


def test_a_step_that_overflows_is_left_out_counted_and_halves_the_scale() -> None:
    model = network({"loss_scale": "dynamic"})
    opt = optimizer(model, lr=0.1)
    train(model, opt, range(2))
    before, scale = copy.deepcopy(model.state_dict()), model.lbt.loss_scale
    train(model, opt, range(2, 3), {2: 1e38})
    assert opt.skipped == 1
    assert model.lbt.loss_scale == scale / 2
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    train(model, opt, range(3, 4))
    assert opt.skipped == 1
    assert not torch.equal(model[0].weight, before["0.weight"])


def test_a_fixed_scale_stays_and_says_when_nothing_helps() -> None:
    model = network({"loss_scale": 256.0})
    opt = optimizer(model, lr=0.1)
    with pytest.raises(LbtError, match=r"25 steps in a row overflowed.*dynamic"):
        train(model, opt, range(30), dict.fromkeys(range(30), math.inf))
    assert model.lbt.loss_scale == 256
    assert opt.skipped == 25


def test_a_dynamic_scale_grows_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lbt.nn.optim.scaling.PATIENCE", 3)
    model = network({"loss_scale": "dynamic"})
    train(model, optimizer(model, lr=0.01), range(6))
    assert model.lbt.loss_scale == 2.0**18


def test_the_state_dict_carries_the_scale() -> None:
    model = network({"loss_scale": "dynamic"})
    opt = optimizer(model, lr=0.1)
    train(model, opt, range(3), {1: 1e38})
    twin = network({"loss_scale": "dynamic"})
    twin.load_state_dict(model.state_dict())
    other = optimizer(twin, lr=0.1)
    other.load_state_dict(copy.deepcopy(opt.state_dict()))
    assert (other.skipped, twin.lbt.loss_scale) == (1, model.lbt.loss_scale)
    train(model, opt, range(3, 5))
    train(twin, other, range(3, 5))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


def test_a_loss_that_was_not_scaled_is_told() -> None:
    model = network({"loss_scale": 8.0})
    x = torch.randn(2, 3, 6, 6)
    with pytest.raises(LbtError, match="optimizer"):
        scale_loss(model, model(x).mean())
    opt = optimizer(model, lr=0.1)
    model(x).mean().backward()
    with pytest.raises(LbtError, match=r"scale_loss\(model, loss\)"):
        opt.step()
    assert float(scale_loss(quantize(nn.Linear(1, 1), "fp32"), torch.tensor(2.0))) == 2
    with pytest.raises(LbtError, match="scale_loss: Linear was not converted"):
        scale_loss(nn.Linear(1, 1), torch.tensor(2.0))


def test_without_loss_scaling_an_overflow_stops_with_layer_and_role() -> None:
    model = network({})
    with pytest.raises(LbtError, match=r"layer '4', role E"):
        train(model, optimizer(model, lr=0.1), range(1), {0: math.inf})


def test_a_layer_learns_more_slowly_where_its_error_was_turned() -> None:
    rule = {"alpha": 20.0, "beta": 0.1}
    coarse = {"E": {"format": "int3", "rounding": "nearest"}}
    plain, slowed = network({}, **coarse), network({"counteract": rule}, **coarse)
    start = {n: p.detach().clone() for n, p in plain.named_parameters()}
    train(plain, optimizer(plain, lr=0.1), range(1))
    train(slowed, optimizer(slowed, lr=0.1), range(1))
    for layer in ("0", "4"):
        d = slowed.lbt.deviations[layer]
        factor = max(math.exp(-20 * d), 0.1)
        assert 0 <= d < 1
        for name in (f"{layer}.weight", f"{layer}.bias"):
            moved = plain.get_parameter(name) - start[name]
            torch.testing.assert_close(slowed.get_parameter(name) - start[name], moved * factor, atol=1e-7, rtol=1e-4)
    assert slowed.lbt.deviations["4"] > 0.001


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="needs E"):
        Recipe.model_validate({"W": "int8", "update": {"counteract": {}}})
    with pytest.raises(LbtError, match=r"lbt\.quantize"):
        optimizer(nn.Linear(2, 2), Recipe.model_validate({"update": {"loss_scale": 4}}), lr=0.1)
