"""Forwards that are no training steps move nothing: evaluation, recomputation, frozen ranges, empty batches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from lbt.errors import LbtError
from lbt.nn import Add, freeze_ranges, optimizer, quantize, set_step
from lbt.recipe import Recipe

STOCHASTIC = {"format": "int4", "rounding": "stochastic"}
MOVING = {"format": "int8", "range": "moving_average"}


def network(recipe: Any, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4)]
    chosen = recipe if isinstance(recipe, str) else Recipe.model_validate(recipe)
    return quantize(nn.Sequential(*layers), chosen, seed=1)


def images(n: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 3, 6, 6, generator=torch.Generator().manual_seed(seed))


def test_evaluation_leaves_running_limits_alone() -> None:
    model = network({"A": MOVING, "W": "int8"})
    model(images())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.eval()
    model(images() * 50)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    model.train()
    model(images() * 50)
    assert not torch.equal(before["0.running_limit_A"], model.state_dict()["0.running_limit_A"])


def test_evaluation_leaves_later_draws_alone() -> None:
    results = []
    for evaluate in (False, True):
        model = network({"A": STOCHASTIC})
        set_step(model, 2)
        model(images())
        if evaluate:
            model.eval()
            model(images(seed=1))
            model.train()
        results.append(model(images(seed=2)))
    assert torch.equal(*results)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("recipe", [
    {"A": STOCHASTIC, "W": STOCHASTIC, "E": STOCHASTIC, "G": STOCHASTIC},
    {"A": {**STOCHASTIC, "range": {"rule": "moving_average"}}, "E": MOVING},
    "int4", "int8",
])  # fmt: skip
def test_checkpointing_repeats_the_draws_and_moves_ranges_once(recipe: Any, reentrant: bool) -> None:
    """Two passes of a step through a checkpointed block, as of a source and a target batch."""
    found = []
    for again in (False, True):
        model = network(recipe)
        set_step(model, 5)
        total = torch.zeros(())
        for seed in (0, 1):
            x = images(seed=seed).requires_grad_()
            hidden = checkpoint(model[:4], x, use_reentrant=reentrant) if again else model[:4](x)
            total = total + model[4:](hidden).square().sum()
        total.backward()
        gradients = {name: p.grad for name, p in model.named_parameters()}
        limits = {name: b.clone() for name, b in model.named_buffers()}
        found.append((total.detach(), gradients, limits, dict(model.lbt.calls)))
    (loss, gradients, limits, calls), (loss_, gradients_, limits_, calls_) = found
    assert torch.equal(loss, loss_)
    for name in gradients:
        assert torch.equal(gradients[name], gradients_[name]), name
    for name in limits:
        assert torch.equal(limits[name], limits_[name]), name
    assert calls == calls_


@pytest.mark.parametrize("a", ["int8", "uint4", {"format": "int8", "granularity": "channel"}, MOVING,
                               {"format": "uint4", "range": {"rule": "sigma", "k": 5}}, "e4m3"])  # fmt: skip
def test_a_frozen_image_does_not_see_its_neighbours(a: Any) -> None:
    torch.manual_seed(0)

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.add, self.norm, self.head = nn.Conv2d(3, 3, 1), Add(), nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.norm(self.add(x, self.conv(x))).relu())

    norm = {"name": "float_bn", "input": "int8", "output": "int8"}
    model = quantize(Residual(), Recipe.model_validate({"A": a, "W": "int8", "norm": norm}))
    model(images())
    model.eval()
    x = torch.cat([images(1) - 3, images(1, seed=1) * 40])
    assert not torch.equal(model(x)[:1], model(x[:1]))
    with pytest.raises(LbtError, match=r"layer '\w*(\.input)?': the range rule \w+ keeps no limit; give a batch"):
        freeze_ranges(model)
    freeze_ranges(model, images())
    assert torch.equal(model(x)[:1], model(x[:1]))
    assert torch.equal(model(-x.abs())[:1], model(-x[:1].abs()))
    torch.testing.assert_close(model(images()), model(images()))


def test_ranges_with_a_memory_need_no_batch() -> None:
    model = network({"A": MOVING, "W": "int8"})
    model(images())
    freeze_ranges(model)
    assert model[0].roles.A.range.high == (float(model[0].running_limit_A),)
    with pytest.raises(LbtError, match="freeze_ranges: Linear was not converted"):
        freeze_ranges(nn.Linear(2, 2))


@pytest.mark.parametrize("recipe", Recipe.names())
def test_an_empty_batch_gives_an_empty_output_and_zero_gradients(recipe: str) -> None:
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(8, 8, 3)]
    model = quantize(nn.Sequential(*layers, nn.Flatten(1), nn.Linear(8, 4)), recipe)
    for training in (True, False):
        model.train(training)
        model.zero_grad()
        x = images(0).requires_grad_()
        y = model(x)
        assert y.shape == (0, 4)
        y.sum().backward()
        assert x.grad is not None
        for p in model.parameters():
            assert p.grad is not None
            assert not p.grad.any()


def test_an_expert_without_tokens() -> None:
    model = quantize(nn.ModuleList([nn.Linear(4, 3)]), "int4")
    y = model[0](torch.zeros(0, 5, 4))
    assert y.shape == (0, 5, 3)
    y.sum().backward()
    assert not model[0].weight.grad.any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_integer_master_weights_of_other_types(dtype: torch.dtype) -> None:
    bits = {torch.float64: 16, torch.bfloat16: 9, torch.float16: 12}[dtype]
    recipe = {"W": "int8", "A": "int8", "E": "int8", "U": {"format": "int8", "rounding": "stochastic"}}
    model = network({**recipe, "update": {"master": "integer", "bits": bits}}).to(dtype)
    opt = optimizer(model, lr=0.05)
    for step in range(2):
        set_step(model, step)
        opt.zero_grad()
        y = model(images().to(dtype))
        assert y.dtype == dtype
        y.square().sum().backward()
        opt.step()
    for p, grid in zip(model.parameters(), opt.param_groups[0]["lbt_grids"], strict=True):
        codes = p.detach().double() / grid
        assert torch.equal(codes, codes.round())
    if dtype != torch.float64:
        wide = network({**recipe, "update": {"master": "integer", "bits": bits + 1}}).to(dtype)
        with pytest.raises(LbtError, match=f"holds integers of up to {bits} bits"):
            optimizer(wide, lr=0.05)
