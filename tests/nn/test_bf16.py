"""Weights in bfloat16 alone: what they hold, small updates on average, parameters of that type, resuming."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from lbt.hardware.precision import of_recipe
from lbt.nn import optimizer, quantize, set_step
from lbt.recipe import Recipe

SHORT = Recipe.model_validate({"update": {"master": "bf16"}})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_small_updates_arrive_on_average(dtype: torch.dtype) -> None:
    model = nn.Linear(200, 200, bias=False).to(dtype)
    nn.init.constant_(model.weight, 1.0)
    update = optimizer(model, SHORT, lr=1.0, momentum=0.0)
    for _ in range(20):  # a sixteenth of the spacing of bfloat16 below 1
        model.weight.grad = torch.full_like(model.weight, 2.0**-12)
        update.step()
    assert model.weight.dtype == dtype
    assert torch.equal(model.weight.bfloat16().float(), model.weight.float())
    assert (1 - model.weight.double().mean()).item() == pytest.approx(20 * 2.0**-12, rel=0.05)
    assert model.weight.unique().numel() > 2


def made(dtype: torch.dtype, name: str) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = quantize(nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3)).to(dtype), SHORT, seed=3)
    return model, optimizer(model, name=name, lr=0.01)


def train(model: nn.Module, update: torch.optim.Optimizer, dtype: torch.dtype, start: int, stop: int) -> None:
    for step in range(start, stop):
        set_step(model, step)
        x = torch.randn(8, 6, generator=torch.Generator().manual_seed(step)).to(dtype)
        update.zero_grad()
        model(x).float().square().sum().backward()
        update.step()


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_resumed_run_has_the_same_bits(dtype: torch.dtype, name: str) -> None:
    whole, update = made(dtype, name)
    train(whole, update, dtype, 0, 6)
    half, first = made(dtype, name)
    train(half, first, dtype, 0, 3)
    again, second = made(dtype, name)
    again.load_state_dict(half.state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    train(again, second, dtype, 3, 6)
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert a.dtype == dtype
        assert torch.equal(a, b)
        assert a.grad.dtype == dtype
    assert all(torch.equal(update.state[p][n], v) if v.dim() else True
               for p, q in zip(whole.parameters(), again.parameters(), strict=True)
               for n, v in second.state[q].items() if isinstance(v, torch.Tensor))  # fmt: skip


def test_no_copy_of_the_weights_is_counted() -> None:
    import lbt

    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    found = {name: lbt.cost(model, (3, 16, 16), recipe=name).storage for name in ("bf16", "bf16-sr")}
    assert found["bf16"].master == 2 * found["bf16"].weights
    assert found["bf16-sr"].master == 0
    assert found["bf16-sr"].optimizer == found["bf16"].optimizer / 2
    assert of_recipe("bf16-sr").master.bits == 16


def test_eight_bit_moments_train_as_adamw_and_are_counted() -> None:
    import lbt

    losses = {}
    for word in (None, "dynamic8"):
        torch.manual_seed(0)
        model = quantize(
            nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 4)), Recipe.model_validate({"U": word})
        )
        update = optimizer(model, name="adamw", lr=0.01, weight_decay=0.01)
        x = torch.randn(256, 20, generator=torch.Generator().manual_seed(1))
        y = (x[:, :2] > 0).long() @ torch.tensor([1, 2])
        for step in range(60):
            set_step(model, step)
            loss = nn.functional.cross_entropy(model(x), y)
            update.zero_grad()
            loss.backward()
            update.step()
        losses[word] = loss.item()
        if word:
            second = update.state[model[0].weight]["exp_avg_sq"]
            assert second.unique().numel() <= 256
            assert (second > 0).all()
            assert update.state[model[0].weight]["exp_avg"].unique().numel() <= 256
    assert losses["dynamic8"] == pytest.approx(losses[None], rel=0.1)
    assert losses[None] < 0.3
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    eight, plain = (lbt.cost(net, (3, 16, 16), recipe=name).storage.optimizer for name in ("int8-adam8", "int8"))
    assert eight == pytest.approx(plain * (8 + 32 / 2048) / 32)
