"""``norm: folded_bn``: the converter puts the norm into the convolution before it, and trains it there."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from lbt.nn import domain, quantize, separate_statistics, set_step
from lbt.nn.norms.folded_bn import FoldedBN
from lbt.recipe import Recipe

WIDE = Recipe.model_validate({"W": "int16", "A": "int16", "norm": "folded_bn"})
"""Wide enough to be float to four digits."""


class Block(nn.Module):
    """Two convolutions with norms, one norm with no convolution of its own (the sum feeds it)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.bn3 = nn.BatchNorm2d(6)
        for norm in (self.bn1, self.bn2, self.bn3):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias)
            norm.running_var.uniform_(0.5, 2)
            norm.running_mean.normal_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn1(self.conv1(x)).relu()
        return self.bn3(x + self.bn2(self.conv2(x)))


def images(seed: int = 0) -> torch.Tensor:
    return torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(seed))


def blocks() -> tuple[nn.Module, nn.Module]:
    """Folded, and the same with the norm as a layer that computes the same function."""
    torch.manual_seed(0)
    model = Block()
    running = WIDE.model_copy(update={"norm": WIDE.norm.model_copy(update={"name": "running_bn"})})
    return quantize(model, WIDE), quantize(model, running)


def test_what_is_folded_and_what_is_not() -> None:
    model, _ = blocks()
    assert [m.inside for m in model.modules() if isinstance(m, FoldedBN)] == [True, True, False]
    why = {row.name: row.why for row in model.lbt.table}
    assert why["bn1"] == "in the weight of conv1"
    assert "by itself" in why["bn3"]


def test_forward_gradients_and_statistics_are_those_of_the_norm_as_a_layer() -> None:
    folded, layer = blocks()
    for step in range(3):
        results = []
        for model in (folded, layer):
            set_step(model, step)
            model.zero_grad()
            y = model(images(step))
            y.square().mean().backward()
            results.append((y, {n: p.grad for n, p in model.named_parameters()}, dict(model.named_buffers())))
        (y, grads, buffers), (y_, grads_, buffers_) = results
        torch.testing.assert_close(y, y_, atol=2e-3, rtol=2e-3)
        for name in grads:
            torch.testing.assert_close(grads[name], grads_[name], atol=5e-4, rtol=5e-3, msg=name)
        for name in buffers:
            torch.testing.assert_close(buffers[name], buffers_[name], atol=1e-3, rtol=1e-3, msg=name)


def test_the_folded_weight_is_what_is_quantized(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe.model_validate({"W": "int4", "norm": "folded_bn"})
    torch.manual_seed(0)
    model = quantize(Block(), recipe).eval()
    seen, original = [], torch.convolution
    monkeypatch.setattr(torch, "convolution", lambda x, w, *rest: (seen.append(w.clone()), original(x, w, *rest))[1])
    model(images())
    folded = model.bn1.fold(model.conv1.weight, None)[0].detach()
    codes = folded / (folded.abs().max() / 7)
    assert (seen[0].unique().numel()) <= 15
    torch.testing.assert_close(seen[0], codes.round(), atol=1e-4, rtol=0)


def test_a_copy_folds_its_own_norm_and_state_dicts_load_both_ways() -> None:
    model, _ = blocks()
    twin = copy.deepcopy(model)
    assert twin.conv1.folded[0] is twin.bn1
    assert list(model.state_dict()) == list(Block().state_dict())
    Block().load_state_dict(model.state_dict())
    with torch.no_grad():
        twin.bn1.weight.mul_(3)
    assert not torch.equal(twin(images()), model(images()))


def test_each_domain_folds_its_own_statistics() -> None:
    model, _ = blocks()
    separate_statistics(model, ["source", "target"])
    with domain(model, "target"):
        model(images() * 10 + 3)
    model.eval()
    with domain(model, "source"):
        source = model(images())
    with domain(model, "target"):
        assert not torch.allclose(model(images()), source, atol=1e-2)


def test_a_convolution_left_in_float_keeps_its_norm() -> None:
    recipe = Recipe.model_validate({"W": "int8", "norm": "folded_bn", "first": "float"})
    model = quantize(Block(), recipe)
    assert [m.inside for m in model.modules() if isinstance(m, FoldedBN)] == [False, True, False]
    assert "by itself" in {row.name: row.why for row in model.lbt.table}["bn1"]
