"""A converted module inside another one, and a part of a converted one: every function finds what is meant."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from lbt.errors import LbtError
from lbt.nn import explain, optimizer, quantize, scale_loss, set_step, share_ranges, summary
from lbt.nn.context import set_first_sample
from lbt.recipe import Recipe


class Outer(nn.Module):
    """A converted backbone and a float head."""

    def __init__(self, recipe: str | Recipe = "wage") -> None:
        super().__init__()
        torch.manual_seed(0)
        layers = (nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.backbone = quantize(nn.Sequential(*layers), recipe, seed=3)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x))


def images(seed: int = 0) -> torch.Tensor:
    return torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("wrap", [lambda m: m, nn.DataParallel, AveragedModel, lambda m: nn.ModuleDict({"net": m})])
def test_the_step_reaches_what_is_inside(wrap: object) -> None:
    wrapped = wrap(Outer())  # type: ignore[operator]
    set_step(wrapped, 7, first_sample=2)
    inner = next(m for m in wrapped.modules() if isinstance(m, Outer)).backbone
    assert (inner.lbt.step, inner.lbt.first_sample) == (7, 2)
    set_first_sample(wrapped, 5)
    assert inner.lbt.first_sample == 5


def test_a_part_of_a_converted_model_knows_where_it_belongs() -> None:
    model = quantize(nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.PReLU()), nn.Linear(4, 2)), "int8")
    set_step(model[0][1], 3)  # a layer that stayed float
    assert model.lbt.step == 3


def test_an_optimizer_of_the_outer_model_trains_as_one_of_the_inner() -> None:
    """wage: integer master weights with stochastic rounding; the head outside is trained in float."""
    outer, apart = Outer(), Outer()
    whole = [optimizer(outer, lr=0.05)]
    both = [optimizer(apart.backbone, lr=0.05), torch.optim.SGD(apart.head.parameters(), lr=0.05, momentum=0.9)]
    start = outer.backbone[2].weight.detach().clone()
    for step in range(4):
        for model, optimizers in ((outer, whole), (apart, both)):
            set_step(model, step)
            model.zero_grad()
            nn.functional.cross_entropy(model(images(step)), torch.arange(8) % 5).backward()
            for one in optimizers:
                one.step()
    for a, b in zip(outer.parameters(), apart.parameters(), strict=True):
        assert torch.equal(a, b)
    assert (outer.backbone[2].weight != start).float().mean() > 0.3
    assert whole[0].param_groups[0]["lbt_grids"][-1] is None


def test_the_loss_of_the_outer_model_is_scaled() -> None:
    recipe = Recipe.model_validate({"W": "int8", "update": {"loss_scale": 1024.0}})
    moved = []
    for outer in (Outer(recipe), Outer(Recipe.model_validate({"W": "int8"}))):
        update = optimizer(outer, lr=0.1)
        loss = scale_loss(outer, outer(images()).square().mean())
        loss.backward()
        update.step()
        moved.append([p.detach().clone() for p in outer.parameters()])
    for a, b in zip(*moved, strict=True):
        torch.testing.assert_close(a, b, atol=1e-7, rtol=1e-5)


def test_explain_and_summary_look_inside() -> None:
    outer = Outer("int8")
    assert "recipe int8" in summary(outer)
    rows = explain(outer, (images(), torch.arange(8) % 5)).to_pylist()
    assert {row["layer"] for row in rows} >= {"0", "2"}


def test_a_call_that_would_do_nothing_is_an_error() -> None:
    model = nn.Linear(2, 2)
    calls = {
        "set_step": lambda: set_step(model, 1), "scale_loss": lambda: scale_loss(model, torch.ones(())),
        "optimizer": lambda: optimizer(model, lr=0.1), "share_ranges": lambda: share_ranges(model),
        "summary": lambda: summary(model),
    }  # fmt: skip
    for name, call in calls.items():
        with pytest.raises(LbtError, match=f"{name}: Linear was not converted"):
            call()


def test_the_recipe_fp32_serves_the_same_loop() -> None:
    model, plain = quantize(nn.Linear(4, 2), "fp32"), nn.Linear(4, 2)
    plain.load_state_dict(model.state_dict())
    update, reference = optimizer(model, lr=0.1), torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9)
    for step in range(3):
        set_step(model, step)
        for one, rule in ((model, update), (plain, reference)):
            one.zero_grad()
            loss = one(torch.ones(3, 4)).square().sum()
            (scale_loss(model, loss) if one is model else loss).backward()
            rule.step()
    assert torch.equal(model.weight, plain.weight)
