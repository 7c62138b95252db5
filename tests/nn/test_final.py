"""The last phase at higher precision (FNT): when it begins, what it changes, its rate, and that evaluation stays."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional

from lbt.nn import optimizer, quantize, set_progress, set_step
from lbt.nn.layers.base import QuantizedLayer
from lbt.recipe import Final, Recipe
from lbt.train.schedule import phased, warm_cosine

BASE = {"W": "int4", "A": "int4", "E": {"format": "int4", "rounding": "stochastic"}}
RECIPE = Recipe.model_validate({**BASE, "final": {"share": 0.25, "A": None, "E": None}})


class Small(nn.Module):
    """A convolution, a pool that writes A, a linear layer, and a product by a function."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool, self.weight = (
            nn.Conv2d(3, 6, 3),
            nn.AdaptiveAvgPool2d(2),
            nn.Parameter(torch.randn(5, 24)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(self.pool(self.conv(x)).flatten(1), self.weight)


def model_of(recipe: Recipe) -> nn.Module:
    torch.manual_seed(0)
    return quantize(Small(), recipe)


def grads(model: nn.Module) -> list[Tensor]:
    set_step(model, 3)
    model.zero_grad()
    model(torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    return [p.grad.clone() for p in model.parameters()]


def test_the_phase_computes_what_its_formats_compute() -> None:
    model = model_of(RECIPE)
    early, plain = grads(model), grads(model_of(Recipe.model_validate(BASE)))
    assert all(torch.equal(a, b) for a, b in zip(early, plain, strict=True))
    set_progress(model, 75, 100)
    late, wide = grads(model), grads(model_of(Recipe.model_validate({"W": "int4"})))
    assert all(torch.equal(a, b) for a, b in zip(late, wide, strict=True))
    set_progress(model, 74, 100)
    assert all(torch.equal(a, b) for a, b in zip(grads(model), plain, strict=True))


def test_evaluation_stays_in_the_recipes_formats() -> None:
    model = model_of(RECIPE).eval()
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    before = model(x)
    set_progress(model, 99, 100)
    assert torch.equal(model(x), before)
    assert not torch.equal(model.train()(x), before)


def test_the_rate_is_a_triangle_after_the_schedule() -> None:
    final = Final(share=0.2, peak=0.1)
    assert [final.begins(steps) for steps in (0, 1, 10, 100)] == [0, 0, 8, 80]
    rates = [phased(step, 100, 0.1, final) for step in range(100)]
    assert rates[:80] == [warm_cosine(step, 80, 0.1) for step in range(80)]
    assert rates[79] == pytest.approx(0, abs=1e-12)
    assert max(rates[80:]) == pytest.approx(0.1, rel=0.06)
    rising, falling = rates[80:90], rates[90:]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert [phased(step, 50, 0.1, None) for step in range(50)] == [warm_cosine(step, 50, 0.1) for step in range(50)]


def test_luq4_fnt_trains_through_both_phases() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
    model = quantize(net, "luq4-fnt")
    (inner,) = [module for module in model.modules() if isinstance(module, QuantizedLayer)]
    update, losses = optimizer(model, lr=0.05), []
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
    for step in range(40):
        set_step(model, step)
        set_progress(model, step, 40)
        assert (inner.now.E is None) == (step >= 32)
        for group in update.param_groups:
            group["lr"] = 0.05 * phased(step, 40, 0.2, model.lbt.recipe.final)
        loss = functional.cross_entropy(model(x), (x[:, 0] > 0).long())
        update.zero_grad()
        loss.backward()
        update.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(("final", "message"), [({"share": 1.0}, "less than 1"), ({"peak": 0}, "greater than 0")])
def test_bad_plans(final: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate({**BASE, "final": final})
