"""LSQ: forward and gradients against the paper's formulas by autograd, and the step size's life as a parameter."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional

import lbt
from lbt.error_analysis.explain import explain
from lbt.errors import LbtError
from lbt.nn import float_state, freeze_ranges, optimizer, quantize, set_step
from lbt.recipe import Recipe

LEARN = {"W": {"format": "int4", "range": "learned"}, "A": {"format": "uint4", "range": "learned"}}


def lsq(v: Tensor, s: Tensor, low: float, high: float, count: float) -> Tensor:
    """Appendix of arXiv 1902.08153: gradients by autograd through detached parts."""
    g = 1 / math.sqrt(count * high)
    s = (s - s * g).detach() + s * g
    v = (v / s).clamp(low, high)
    return ((v.round() - v).detach() + v) * s


def layer(form: str = "uint4") -> nn.Linear:
    torch.manual_seed(0)
    recipe = {**LEARN, "A": {"format": form, "range": "learned"}}
    return quantize(nn.Linear(12, 5), Recipe.model_validate(recipe))


def batch(seed: int, low: float = 0.0) -> Tensor:
    return torch.rand(16, 12, generator=torch.Generator().manual_seed(seed)).pow(3) * 4 + low


@pytest.mark.parametrize(
    ("form", "low", "ends"), [("uint4", 0.0, (0, 15)), ("uint4", -1.0, (-7, 8)), ("int4", -1.0, (-7, 7))]
)
def test_forward_and_gradients_are_the_papers(form: str, low: float, ends: tuple[int, int]) -> None:
    model, x = layer(form), batch(1, low).requires_grad_()
    model(batch(0, low))  # sets the steps
    with torch.no_grad():  # so that there is something beyond both ends
        model.step_size_A.mul_(0.3)
        model.step_size_W.mul_(0.3)
    upstream = torch.randn(16, 5, generator=torch.Generator().manual_seed(2))
    y = model(x)
    (y * upstream).sum().backward()

    steps = [model.step_size_A.detach().clone().requires_grad_(), model.step_size_W.detach().clone().requires_grad_()]
    same, weight = x.detach().clone().requires_grad_(), model.weight.detach().clone().requires_grad_()
    a = lsq(same, steps[0], *ends, count=12)
    w = lsq(weight, steps[1], -7, 7, count=weight.numel())
    expected = functional.linear(a, w, model.bias)
    (expected * upstream).sum().backward()
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(y, expected, **close)
    torch.testing.assert_close(x.grad, same.grad, **close)
    torch.testing.assert_close(model.weight.grad, weight.grad, **close)
    torch.testing.assert_close(model.step_size_A.grad, steps[0].grad, **close)
    torch.testing.assert_close(model.step_size_W.grad, steps[1].grad, **close)
    assert ((x.grad == 0).any(1)).any()


def test_the_first_batch_sets_the_step_and_later_ones_do_not() -> None:
    model, x = layer(), batch(0)
    assert model.step_size_A.isnan()
    model.eval()(x)
    assert model.step_size_A.isnan()
    model.train()(x)
    torch.testing.assert_close(model.step_size_A.item(), 2 * x.mean().item() / math.sqrt(15))
    torch.testing.assert_close(model.step_size_W.item(), 2 * model.weight.abs().mean().item() / math.sqrt(7))
    assert model.zero_point_A == 0
    before = model.step_size_A.clone()
    model(batch(1) * 100)
    assert torch.equal(model.step_size_A, before)


def train(model: nn.Module, update: torch.optim.Optimizer, start: int, stop: int) -> None:
    for step in range(start, stop):
        set_step(model, step)
        update.zero_grad()
        model(batch(step)).square().sum().backward()
        update.step()


def test_steps_are_learnt_saved_and_resumed_exactly() -> None:
    models = [layer() for _ in range(2)]
    updates = [optimizer(model, lr=0.01) for model in models]
    train(models[0], updates[0], 0, 6)
    train(models[1], updates[1], 0, 3)
    again = layer()
    resumed = optimizer(again, lr=0.01)
    again.load_state_dict(models[1].state_dict())
    resumed.load_state_dict(copy.deepcopy(updates[1].state_dict()))
    train(again, resumed, 3, 6)
    for name, value in models[0].state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    twin = copy.deepcopy(models[0])
    assert torch.equal(twin.eval()(batch(9)), models[0].eval()(batch(9)))
    assert set(float_state(models[0])) == {"weight", "bias"}
    nn.Linear(12, 5).load_state_dict(float_state(models[0]))
    layer().load_state_dict(nn.Linear(12, 5).state_dict())


def test_a_step_size_has_no_grid_of_the_update() -> None:
    rules = {"U": "int16", "update": {"master": "integer", "bits": 16}}
    torch.manual_seed(0)
    model = quantize(nn.Linear(12, 5), Recipe.model_validate({**LEARN, **rules}))
    update = optimizer(model, lr=0.01)
    train(model, update, 0, 3)
    assert model.step_size_W.isfinite()
    grids = dict(zip(map(id, model.parameters()), update.param_groups[0]["lbt_grids"], strict=True))
    assert grids[id(model.step_size_W)] is None
    assert grids[id(model.weight)] is not None


def test_deployed_ranges_are_the_learnt_ones() -> None:
    model = layer()
    with pytest.raises(LbtError, match="has learnt no step size yet"):
        freeze_ranges(model, batch(0))
    model(batch(0))
    model.eval()
    before = model(batch(1))
    freeze_ranges(model)
    assert torch.equal(model(batch(1)), before)
    assert torch.equal(model(batch(1)[:3]), before[:3])


def test_explain_and_summary_and_functions() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.weight = nn.Linear(12, 8), nn.Parameter(torch.randn(4, 8))

        def forward(self, x: Tensor) -> Tensor:
            return functional.linear(self.one(x), self.weight)

    torch.manual_seed(0)
    model = quantize(Two(), Recipe.model_validate(LEARN))
    model(batch(0)).sum().backward()
    rows = explain(model, batch(1)).to_pylist()
    assert {row["role"] for row in rows} == {"W", "A"}
    assert all(row["sqnr"] > 5 for row in rows)
    text = lbt.nn.summary(model)
    assert "learned" in text  # the layer's
    assert any("linear()" in line and "quantized" in line and "max" in line for line in text.splitlines())


def test_the_account_keeps_the_float_that_was_rounded() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    plain = Recipe.model_validate({"W": "int4", "A": "uint4"})
    costs = [lbt.cost(model, (3, 16, 16), recipe=r, batch=2) for r in (plain, Recipe.model_validate(LEARN))]
    assert costs[1].storage.activations > costs[0].storage.activations + 4 * 2 * 8 * 14 * 14
    assert costs[1].joules_per_image > costs[0].joules_per_image


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"E": {"format": "int8", "range": "learned"}}, "E: range: learned is for W and A"),
        ({"U": {"format": "int8", "range": "learned"}}, "the range learned"),
        ({"W": {"format": "int8", "range": "learned", "granularity": "channel"}}, "keeps one step size"),
        ({"W": {"format": "bf16", "range": "learned"}}, "needs a format with a scale"),
        ({"A": {"format": "int8", "range": "learned", "rotate": "hadamard(16)"}}, "fits unrotated tensors"),
        ({**LEARN, "final": {"A": {"format": "int8", "range": "learned"}}}, "accepted: rules without a memory"),
    ],
)
def test_what_cannot_be_learnt_is_one_line(recipe: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(recipe)


def test_onnx_has_the_learnt_steps(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from lbt.export import export_onnx

    torch.manual_seed(0)
    recipe = {role: {"format": "int8", "range": "learned"} for role in "WA"}
    model = quantize(nn.Sequential(nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3)), Recipe.model_validate(recipe))
    train(model, optimizer(model, lr=0.01), 0, 3)
    export_onnx(model.eval(), tmp_path / "model.onnx", batch(0))  # runs the file against the model
    refused = quantize(nn.Sequential(nn.Linear(12, 5)), Recipe.model_validate(LEARN))
    refused(batch(0))
    with pytest.raises(LbtError, match="ONNX"):
        export_onnx(refused.eval(), tmp_path / "other.onnx", batch(0))
