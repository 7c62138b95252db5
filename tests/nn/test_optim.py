"""Low-bit optimizers: plain without U, levels with it, integers stay integers, and resuming is exact."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from lbt.errors import LbtError
from lbt.nn import optimizer, quantize, scale_loss, set_step
from lbt.nn.optim.low_bit import LowBitAdam, LowBitSGD
from lbt.recipe import Recipe

U = {"format": "int8", "rounding": "stochastic"}


def train(model: nn.Module, opt: torch.optim.Optimizer, start: int, stop: int) -> None:
    for step in range(start, stop):
        set_step(model, step)
        x = torch.randn(8, 6, generator=torch.Generator().manual_seed(step))
        opt.zero_grad()
        model(x).square().sum().backward()
        opt.step()


def network(recipe: dict) -> nn.Module:
    torch.manual_seed(0)
    return quantize(
        nn.Sequential(nn.Linear(6, 40), nn.ReLU(), nn.Linear(40, 40)), Recipe.model_validate(recipe), seed=4
    )


@pytest.mark.parametrize(("name", "cls"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)])
def test_without_update_format_it_is_the_plain_one(name: str, cls: type) -> None:
    model = network({})
    twin = copy.deepcopy(model)
    opt = optimizer(model, name=name, lr=0.01, momentum=0.8, weight_decay=0.1)
    assert isinstance(opt, cls)
    assert not isinstance(opt, LowBitSGD | LowBitAdam)
    options = {"momentum": 0.8} if name == "sgd" else {"betas": (0.8, 0.999)}
    train(model, opt, 0, 3)
    train(twin, cls(twin.parameters(), lr=0.01, weight_decay=0.1, **options), 0, 3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


@pytest.mark.parametrize(("name", "entry"), [("sgd", "momentum_buffer"), ("adam", "exp_avg"), ("adam", "exp_avg_sq")])
def test_state_has_the_levels_of_its_format(name: str, entry: str) -> None:
    model = network({"U": U})
    opt = optimizer(model, name=name, lr=0.01)
    train(model, opt, 0, 4)
    state = opt.state[model[2].weight][entry]
    assert 10 < state.unique().numel() <= 255


@pytest.mark.parametrize("bits", [12, 24])
def test_integer_master_weights_stay_on_their_grid_and_move(bits: int) -> None:
    model = network({"U": U, "update": {"master": "integer", "bits": bits}})
    start = model[2].weight.detach().clone()
    opt = optimizer(model, lr=0.02)
    train(model, opt, 0, 5)
    for p, grid in zip(model.parameters(), opt.param_groups[0]["lbt_grids"], strict=True):
        codes = p.detach() / grid
        assert torch.equal(codes, codes.round())
        assert codes.abs().max() <= 2 ** (bits - 1) - 1
    assert not torch.equal(model[2].weight, start)


def test_small_updates_survive_stochastic_rounding_on_average() -> None:
    """Steps of a twentieth of the grid vanish when rounded to nearest, and arrive on average when stochastic."""
    moved = {}
    for rounding in ("nearest", "stochastic"):
        recipe = Recipe.model_validate(
            {"U": {"format": "int16", "rounding": rounding}, "update": {"master": "integer", "bits": 8}}
        )
        model = nn.Linear(100, 100, bias=False)
        nn.init.constant_(model.weight, 0.5)
        opt = optimizer(model, recipe, lr=1.0, momentum=0.0)
        start, grid = model.weight.detach().clone(), opt.param_groups[0]["lbt_grids"][0]
        for _ in range(20):
            model.weight.grad = torch.full_like(model.weight, -grid / 20)
            opt.step()
        moved[rounding] = ((model.weight.detach() - start).mean() / grid).item()
    assert moved["nearest"] == 0
    assert moved["stochastic"] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_resuming_gives_the_same_bits(name: str) -> None:
    recipe = {"W": "int8", "A": "int8", "E": {"format": "int8", "rounding": "stochastic"}, "U": U,
              "update": {"master": "integer", "clip_norm": 1.0}}  # fmt: skip
    whole = network(recipe)
    train(whole, optimizer(whole, name=name, lr=0.01), 0, 6)

    first = network(recipe)
    opt = optimizer(first, name=name, lr=0.01)
    train(first, opt, 0, 3)
    second = network(recipe)
    second.load_state_dict(first.state_dict())
    again = optimizer(second, name=name, lr=0.01)
    again.load_state_dict(opt.state_dict())
    train(second, again, 3, 6)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


def test_gradients_are_clipped() -> None:
    model = network({"update": {"clip_norm": 1e-3}})
    start = [p.detach().clone() for p in model.parameters()]
    train(model, optimizer(model, lr=1.0, momentum=0.0), 0, 1)
    moved = sum((a - b.detach()).square().sum() for a, b in zip(start, model.parameters(), strict=True)) ** 0.5
    assert moved.item() == pytest.approx(1e-3, rel=1e-2)


def test_mistakes_are_told() -> None:
    with pytest.raises(LbtError, match="did you mean 'sgd'"):
        optimizer(nn.Linear(2, 2), name="sgdm", lr=0.1)
    frozen = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(LbtError, match="no parameter"):
        optimizer(frozen, lr=0.1)


INTEGER = {"U": U, "update": {"master": "integer", "bits": 12, "clip_norm": 1e-3, "loss_scale": 1024.0}}


def test_every_group_is_unscaled_clipped_and_rounded() -> None:
    model = network(INTEGER)
    opt = optimizer(model, lr=1.0, momentum=0.0, groups=[{"params": model[2], "lr": 0.5, "weight_decay": 0.0}])
    assert [len(group["params"]) for group in opt.param_groups] == [2, 2]
    assert [group["lr"] for group in opt.param_groups] == [1.0, 0.5]
    for group in opt.param_groups:
        for p, grid in zip(group["params"], group["lbt_grids"], strict=True):
            assert torch.equal(p / grid, (p / grid).round())
    scale_loss(model, model(torch.ones(3, 6)).square().sum()).backward()
    opt.step()
    norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    assert norm == pytest.approx(1e-3, rel=1e-3)  # all groups together, unscaled first
    for group in opt.param_groups:
        for p, grid in zip(group["params"], group["lbt_grids"], strict=True):
            assert torch.equal(p / grid, (p / grid).round())


def test_groups_draw_as_one_and_keep_their_own_rate_under_a_scheduler() -> None:
    weights = []
    for split in (False, True):
        model = network({"U": U, "update": {"master": "integer"}})
        opt = optimizer(model, lr=0.01, groups=[{"params": model[2].weight}] if split else [])
        schedule = torch.optim.lr_scheduler.StepLR(opt, 1, 0.5)
        for step in range(3):
            train(model, opt, step, step + 1)
            schedule.step()
        assert {group["lr"] for group in opt.param_groups} == {0.00125}
        weights.append([p.detach() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def test_a_group_added_later_follows_the_recipe_too() -> None:
    model = network({"U": U, "update": {"master": "integer"}})
    opt = optimizer(model[0], lr=0.01)
    opt.add_param_group({"params": [torch.nn.Parameter(torch.full((3,), 0.1234567))], "lr": 0.1})
    assert opt.param_groups[1]["params"][0][0].item() == pytest.approx(0.1234567)  # nobody's recipe: float
    train(model, opt, 0, 2)


@pytest.mark.parametrize("recipe", [{}, {"U": "fp16"}])
@pytest.mark.parametrize(("options", "cls"), [
    ({"name": "adamw", "betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.1}, torch.optim.AdamW),
    ({"name": "sgd", "nesterov": True, "momentum": 0.8}, torch.optim.SGD),
])  # fmt: skip
def test_options_are_those_of_torch(recipe: dict, options: dict, cls: type) -> None:
    model = network(recipe)
    twin = copy.deepcopy(model)
    opt = optimizer(model, lr=0.01, **options)
    assert isinstance(opt, cls)
    reference = cls(twin.parameters(), lr=0.01, **{k: v for k, v in options.items() if k != "name"})
    for name, value in reference.defaults.items():
        assert opt.defaults[name] == value
    train(model, opt, 0, 3)
    train(twin, reference, 0, 3)
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0 if not recipe else 1e-3, rtol=0)


def test_mistaken_options_and_groups_are_told() -> None:
    model = network({})
    with pytest.raises(LbtError, match=r"betas: found \(0\.9, 0\.9\), but sgd"):
        optimizer(model, lr=0.1, betas=(0.9, 0.9))
    with pytest.raises(LbtError, match=r"groups\[0\] has a parameter that is not one"):
        optimizer(model, lr=0.1, groups=[{"params": nn.Linear(2, 2)}])
    with pytest.raises(LbtError, match=r"groups\[1\] has a parameter that is in a group before"):
        optimizer(model, lr=0.1, groups=[{"params": model[0]}, {"params": model[0].weight}])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("SGD", "unknown optimizer 'SGD'; accepted: sgd, adam, adamw .did you mean 'sgd'"),
        ("AdamW", "unknown optimizer 'AdamW'.*did you mean 'adamw'"),
        ("RMSprop", "unknown optimizer 'RMSprop'; accepted: sgd, adam, adamw .the nearest is 'adam' with momentum=0."),
        (torch.optim.SGD, "unknown optimizer <class 'torch.optim.sgd.SGD'>; accepted"),
    ],
)
def test_another_optimizer_is_told_the_nearest(name: Any, told: str) -> None:
    with pytest.raises(LbtError, match=told):
        optimizer(quantize(nn.Linear(2, 2), "int8"), name=name, lr=0.1)
