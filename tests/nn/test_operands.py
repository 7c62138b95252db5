"""A copy of each operand for each product: which product sees which, rotated and in blocks along its reduction."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from lbt.errors import LbtError
from lbt.kernels.kernel import places
from lbt.kernels.quantize import quantize as quantize_tensor
from lbt.kernels.quantize import turned
from lbt.models import build
from lbt.nn import explain, quantize, set_step
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec
from lbt.recipe import Recipe, Roles

WIDE = "int16"
PUBLISHED = ["luq4", "int4-hadamard", "w4a4e8", "nvfp4", "mx4", "mls-e2m1"]


def layer(recipe: Any, kind: type[nn.Module] = nn.Linear, *arguments: Any) -> tuple[nn.Module, nn.Module]:
    """(float, converted)."""
    torch.manual_seed(0)
    made = kind(*(arguments or (24, 20)))
    return made, quantize(nn.ModuleDict({"layer": made}), Recipe.model_validate(recipe))["layer"]  # type: ignore[index]


def step(model: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Output and gradients for an error that is far from constant."""
    x = x.clone().requires_grad_()
    y = model(x)
    y.backward(torch.linspace(-1, 1, y.numel()).view(y.shape).square())
    return {"y": y.detach(), "dx": x.grad, "dw": model.weight.grad.clone(), "db": model.bias.grad.clone()}


@pytest.mark.parametrize(("role", "changed"), [
    ("WE", {"dx"}), ("AG", {"dw"}), ("EG", {"dw"}), ("W", {"y"}), ("A", {"y"}), ("E", {"dx", "db"}),
])  # fmt: skip
def test_each_product_reads_its_own_copy(role: str, changed: set[str]) -> None:
    base = dict.fromkeys(("W", "A", "E", "WE", "AG", "EG"), WIDE)
    x = torch.randn(10, 24)
    before, after = (step(layer({**base, **more})[1], x) for more in ({}, {role: "int4"}))
    assert {name for name in before if not torch.equal(before[name], after[name])} == changed


def test_what_is_not_given_is_quantized_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from lbt.nn.layers import product

    seen: list[str] = []
    real = product.quantize
    monkeypatch.setattr(product, "quantize", lambda *a, **k: seen.append(a[2].role) or real(*a, **k))
    step(layer({"W": "int8", "A": "int8", "E": "int8"})[1], torch.randn(10, 24))
    assert seen == ["A", "W", "E"]
    seen.clear()
    # tiles serve both products of the weight, blocks along the reduction one
    along = {"format": "nvfp4", "along": "reduction"}
    step(layer({"W": "nvfp4-16x16", "A": along, "E": along})[1], torch.randn(10, 24))
    assert seen == ["A", "W", "AG", "E", "EG"]


@pytest.mark.parametrize(("kind", "arguments", "shape"), [
    (nn.Linear, (24, 20), (50, 24)),
    (nn.Conv2d, (12, 8, 3, 2, 1), (18, 12, 7, 7)),
    (nn.Conv2d, (12, 24, 3, 1, 1, 1, 3), (5, 12, 6, 6)),
    (nn.Conv2d, (8, 8, 3, 1, 1, 1, 8), (4, 8, 6, 6)),
    (nn.Conv1d, (6, 8, 3), (7, 6, 9)),
])  # fmt: skip
def test_a_rotated_product_is_the_product(kind: Any, arguments: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """In 16 bits rotation changes nothing but rounding, for any size and number of groups."""
    turn = {"format": WIDE, "rotate": "hadamard(16)"}
    _, model = layer({"W": turn, "A": turn, "E": turn}, kind, *arguments)
    plain, x = kind(*arguments), torch.randn(shape)
    plain.load_state_dict(model.state_dict())
    expected, found = step(plain, x), step(model, x)
    for name in expected:
        error = (found[name] - expected[name]).norm() / expected[name].norm()
        assert error < 2e-4, name


def test_the_weight_gradient_alone_is_rotated_along_the_samples() -> None:
    turn = {"format": "int4", "rotate": "hadamard(8)"}
    _, model = layer({"W": "int8", "A": "int8", "E": "int8", "AG": turn, "EG": turn})
    x = torch.randn(20, 24)
    found = step(model, x)
    error = torch.linspace(-1, 1, 400).view(20, 20).square()
    operands = {}
    for role, tensor in (("AG", x), ("EG", error)):
        key, place = Key(0, 0, "layer", role), places()[role]
        turns = turned(tensor, "hadamard(8)", place, key)
        operands[role] = quantize_tensor(turns, RoleSpec.model_validate("int4"), key).dequantize()
    torch.testing.assert_close(found["dw"], operands["EG"].t() @ operands["AG"])
    _, plain = layer({"W": "int8", "A": "int8", "E": "int8"})
    torch.testing.assert_close(found["y"], step(plain, x)["y"])
    torch.testing.assert_close(found["dx"], step(plain, x)["dx"])


def test_blocks_along_the_reduction_of_a_convolution() -> None:
    along = {"format": "mxe2m1", "along": "reduction"}
    _, model = layer({"W": along, "A": along, "E": along}, nn.Conv2d, 40, 36, 3, 1, 1)
    x = torch.randn(6, 40, 5, 5)
    found = step(model, x)
    error = torch.linspace(-1, 1, found["y"].numel()).view(found["y"].shape).square()

    def block(t: torch.Tensor, axis: int) -> torch.Tensor:
        moved = t.transpose(0, 1) if axis == 0 else t
        q = quantize_tensor(moved, RoleSpec.model_validate("mxe2m1"), Key(role="A")).dequantize()
        return q.transpose(0, 1) if axis == 0 else q

    w = model.weight.detach()
    y = functional.conv2d(block(x, 1), block(w, 1), model.bias, padding=1)
    dx = torch.nn.grad.conv2d_input(x.shape, block(w, 0), block(error, 1), padding=1)
    dw = torch.nn.grad.conv2d_weight(block(x, 0), w.shape, block(error, 0), padding=1)
    for name, expected in (("y", y), ("dx", dx), ("dw", dw)):
        torch.testing.assert_close(found[name], expected, atol=1e-4, rtol=1e-4)


def test_two_draws_of_the_error_halve_the_noise_of_the_weight_gradient() -> None:
    x = torch.randn(256, 24)
    base = {"W": WIDE, "A": WIDE, "E": WIDE}
    exact = step(layer(base)[1], x)["dw"]
    noise = {}
    for samples in (1, 2, 4):
        _, model = layer({**base, "EG": {"format": "luq4", "samples": samples}})
        total = 0.0
        for draw in range(12):
            set_step(model, draw)
            model.zero_grad()
            total += float((step(model, x)["dw"] - exact).square().mean())
        noise[samples] = total
    assert 1.6 < noise[1] / noise[2] < 2.5
    assert 1.6 < noise[2] / noise[4] < 2.5


def test_a_running_limit_moves_once_for_several_draws() -> None:
    rule = {"rule": "moving_average", "delayed": True}
    _, model = layer({"W": WIDE, "A": WIDE, "E": WIDE, "EG": {"format": "luq4", "samples": 3, "range": rule}})
    step(model, torch.randn(10, 24))
    torch.testing.assert_close(model.running_limit_EG, torch.ones(1))
    model(torch.randn(10, 24)).backward(torch.full((10, 20), 3.0))
    torch.testing.assert_close(model.running_limit_EG, torch.tensor([1.2]))


@pytest.mark.parametrize(("recipe", "message"), [
    ({"W": "int4", "A": {"format": "int4", "rotate": "hadamard(8)"}}, "both operands of the forward product"),
    ({"W": "int4", "A": "int4", "E": "int4", "AG": {"format": "int4", "rotate": "hadamard(8)"}}, "gradient product"),
    ({"W": "int4", "A": "int4", "E": "int4", "first": {"A": {"format": "int4", "rotate": "hadamard(8)"}}}, "forward"),
    ({"W": "int4", "AG": "int4"}, "AG: the copy of A needs A"),
    ({"W": "int4", "A": "int4", "E": {"format": "int4", "rounding": "stochastic", "samples": 2}}, "samples is for EG"),
    ({"W": "int4", "A": "int4", "E": "int4", "EG": {"format": "int4", "samples": 2}}, "need rounding stochastic"),
    ({"W": "int4", "A": "int4", "G": {"format": "mxe2m1", "along": "reduction"}}, "operands of products"),
])  # fmt: skip
def test_impossible_operands_are_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        Recipe.model_validate(recipe)


def test_copies_that_are_needed_are_made() -> None:
    along = RoleSpec.model_validate({"format": "mxe2m1", "along": "reduction"})
    roles = Roles(W=along, A="int4", E="int4").complete()  # type: ignore[arg-type]
    assert roles.WE is not None
    assert roles.WE == roles.W
    assert roles.AG is roles.EG is None


@pytest.mark.parametrize("engine", ["emulate", "integer"])
def test_the_engines_agree_on_rotated_operands(engine: str) -> None:
    turn = {"format": "int4", "rotate": "hadamard(8)", "rounding": "stochastic"}
    recipe = Recipe.model_validate({"W": turn, "A": turn, "E": turn, "EG": {**turn, "samples": 2}})
    torch.manual_seed(0)
    made = nn.Conv2d(16, 16, 3, padding=1)
    found = [step(quantize(nn.Sequential(made), recipe, engine=e)[0], torch.ones(8, 16, 8, 8).cumsum(3).sin())
             for e in ("emulate", engine)]  # type: ignore[arg-type,index]  # fmt: skip
    for name in ("y", "dx", "dw"):
        torch.testing.assert_close(found[0][name], found[1][name], atol=1e-5, rtol=1e-5)


def test_the_integer_engine_refuses_a_copy_that_has_no_codes() -> None:
    with pytest.raises(LbtError, match="role WE: found mx"):
        quantize(nn.Sequential(nn.Linear(4, 4)), Recipe.model_validate(
            {"W": "int8", "A": "int8", "E": "int8", "WE": "mxe4m3"}), engine="integer")  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_recipe_explains_and_trains(name: str) -> None:
    torch.manual_seed(0)
    model = quantize(build("digit_cnn", 4, 1), name)
    x = torch.randn(24, 1, 16, 16) + torch.eye(4).repeat(6, 1)[:, :, None].repeat(1, 4, 16)[:, None] * 2
    y = torch.arange(24) % 4
    table = explain(model, (x, y)).to_pylist()
    assert {"W", "A", "E"} <= {row["role"] for row in table}
    assert all(row["sqnr"] is None or row["sqnr"] > 2 for row in table)
    optimizer, losses = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9), []
    for number in range(12):
        set_step(model, number)
        loss = functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert sum(losses[-3:]) < 0.5 * sum(losses[:3])
    assert str(Recipe.load(name)).startswith(f"recipe {name}")
