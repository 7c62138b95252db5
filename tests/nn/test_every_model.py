"""Every recipe on every network that ships: it converts, trains one step, and what is in low precision is so."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from lbt import models
from lbt.nn import optimizer, quantize, scale_loss, set_step
from lbt.nn.layers.base import QuantizedLayer
from lbt.nn.layers.flow import flows
from lbt.recipe import Recipe


@functools.cache
def built(name: str) -> nn.Module:
    return models.build(name, classes=5, channels=3)


HEAVY = [
    pytest.param(name, marks=pytest.mark.slow if name.startswith("efficientnet") else ()) for name in models.names()
]


@pytest.mark.parametrize("model_name", HEAVY)
@pytest.mark.parametrize("recipe", Recipe.names())
def test_one_step(recipe: str, model_name: str) -> None:
    model = quantize(built(model_name), recipe)
    layers = [m for m in model.modules() if isinstance(m, QuantizedLayer)]
    products = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    chosen = Recipe.load(recipe)
    left = [chosen.first, chosen.last].count("float")
    assert len(layers) == (0 if chosen.is_float else len(products) - left)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    update = optimizer(model, lr=0.01)
    set_step(model, 0)
    size = 64 if model_name.startswith("efficientnet") else 32  # enough values per channel for its norms
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    scale_loss(model, nn.functional.cross_entropy(model(x), torch.tensor([0, 1]))).backward()
    update.step()
    after = dict(model.named_parameters())
    assert all(bool(torch.isfinite(p).all()) for p in after.values())
    assert not torch.equal(after["classifier.weight"], before["classifier.weight"])
    moved = [name for name in before if not torch.equal(after[name], before[name])]
    assert len(moved) > len(before) // 2


@pytest.mark.parametrize("name", ["resnet20", "resnet_small"])
def test_residual_sums_are_in_low_precision(name: str) -> None:
    model = quantize(built(name), "int8")
    sums = [module for path, module in model.named_modules() if path.endswith(".add")]
    assert sums
    assert all(len(flows(module)) == 1 for module in sums)
