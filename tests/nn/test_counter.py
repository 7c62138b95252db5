"""The step counter: each optimizer step counts, unless set_step was called since the last."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from lbt.nn import optimizer, quantize, set_step
from lbt.recipe import Recipe

STOCHASTIC = {"format": "int8", "rounding": "stochastic"}
INTEGER = {"W": "int8", "A": "int8", "E": STOCHASTIC, "U": {"format": "int16", "rounding": "stochastic"},
           "update": {"master": "integer"}}  # fmt: skip


def network(recipe: Any) -> nn.Module:
    torch.manual_seed(0)
    chosen = recipe if isinstance(recipe, str) else Recipe.model_validate(recipe)
    return quantize(nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 4)), chosen, seed=4)


def train(model: nn.Module, opt: torch.optim.Optimizer, steps: range, told: bool) -> None:
    for step in steps:
        if told:
            set_step(model, step)
        x = torch.randn(8, 6, generator=torch.Generator().manual_seed(step))
        opt.zero_grad()
        model(x).square().sum().backward()
        opt.step()


@pytest.mark.parametrize("recipe", [INTEGER, "int4"])
def test_without_set_step_it_is_as_if_it_were_called(recipe: Any) -> None:
    weights = []
    for told in (True, False):
        model = network(recipe)
        opt = optimizer(model, lr=0.01)
        train(model, opt, range(5), told)
        weights.append(model[2].weight)
    assert torch.equal(*weights)
    assert model.lbt.step == 5


def test_a_value_that_was_set_holds_for_one_step_of_each_optimizer() -> None:
    model = network("int8")
    first, second = optimizer(model[0], lr=0.1), optimizer(model[2], lr=0.1)
    set_step(model, 7)
    model(torch.ones(2, 6)).sum().backward()
    first.step()
    second.step()
    assert model.lbt.step == 7
    second.step()
    assert model.lbt.step == 8
    set_step(model, 8)
    first.step()
    assert model.lbt.step == 8


def test_updates_after_one_call_of_set_step_keep_the_mean() -> None:
    """200 updates of a tenth of a grid step; one fixed threshold a weight would move all or none of them."""
    model = network({**INTEGER, "U": {"format": "int16", "rounding": "stochastic"}})
    opt = optimizer(model, lr=1.0, momentum=0.0)
    grid = opt.param_groups[0]["lbt_grids"][0]
    start = model[0].weight.detach().clone()
    set_step(model, 100)
    for _ in range(200):
        model[0].weight.grad = torch.full_like(model[0].weight, -grid / 10)
        opt.step()
    moved = (model[0].weight.detach() - start) / grid
    assert float(moved.mean()) == pytest.approx(20, abs=2)
    assert 3 < float(moved.std()) < 6  # sqrt(200 · 0.1 · 0.9) = 4.2


def test_a_run_that_nobody_counts_resumes_to_the_same_bits() -> None:
    whole = network(INTEGER)
    train(whole, optimizer(whole, lr=0.01), range(6), told=False)
    first = network(INTEGER)
    opt = optimizer(first, lr=0.01)
    train(first, opt, range(3), told=False)
    second = network(INTEGER)
    second.load_state_dict(first.state_dict())
    again = optimizer(second, lr=0.01)
    again.load_state_dict(copy.deepcopy(opt.state_dict()))
    train(second, again, range(3, 6), told=False)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


def test_several_updates_in_a_step_that_was_set_draw_as_one_loop_of_passes() -> None:
    """As in maximum classifier discrepancy: draws go on by the pass, whatever the optimizers do in between."""
    recipe = {"A": STOCHASTIC}
    model, twin = network(recipe), network(recipe)
    opt = optimizer(model, lr=0.0)
    x = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    for one in (model, twin):
        set_step(one, 5)
    for _ in range(3):
        y = model(x)
        assert torch.equal(y, twin(x))
        y.sum().backward()
        opt.step()


def test_adversarial_updates_with_a_loss_scale() -> None:
    """Two optimizers after one loss: both divide it, and an overflow leaves both out and counts once."""
    recipe = {"W": "int8", "A": "int8", "E": STOCHASTIC, "update": {"loss_scale": "dynamic"}}
    from lbt.nn import scale_loss

    model = network(recipe)
    plain = network({**recipe, "update": {}})
    both = [optimizer(model[0], lr=0.1), optimizer(model[2], lr=0.1)]
    reference = optimizer(plain, lr=0.1)
    x = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    set_step(model, 0)
    set_step(plain, 0)
    scale_loss(model, model(x).square().sum()).backward()
    plain(x).square().sum().backward()
    for one in (*both, reference):
        one.step()
    for a, b in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)
    before, scale = copy.deepcopy(model.state_dict()), model.lbt.loss_scale
    scale_loss(model, model(x).square().sum() * float("inf")).backward()
    for one in both:
        one.step()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert (both[0].skipped, both[1].skipped, model.lbt.loss_scale) == (1, 1, scale / 2)
