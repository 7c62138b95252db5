"""Products of two activations: every common way to write one is quantized, or named, and gives the right values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from lbt.kernels.quantize import quantize as quantize_tensor
from lbt.nn import explain, freeze_ranges, quantize, set_step
from lbt.nn.layers.pairs import pair_roles, terms
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec
from lbt.recipe import Recipe, Roles

WIDE = Recipe.model_validate({"W": "int16", "A": "int16", "E": "int16"})
LOW = Recipe.model_validate({"A": "int8", "E": "int6"})


class Way(nn.Module):
    def __init__(self, way: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.way = way

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.way(*inputs)


def heads(x: torch.Tensor) -> torch.Tensor:
    return x.view(2, 6, 2, 4).transpose(1, 2)


def sdpa(x: torch.Tensor, **options: Any) -> torch.Tensor:
    return functional.scaled_dot_product_attention(heads(x), heads(x) + 1, heads(x) * 2, **options)


HIDDEN = torch.tensor([[True, False, True, True, True, True]] * 5 + [[False] * 6])
WAYS: dict[str, tuple[Callable[..., torch.Tensor], str]] = {
    "bmm": (lambda x: torch.bmm(x, x.transpose(1, 2)), "bmm()"),
    "at": (lambda x: x @ x.mT, "matmul()"),
    "four dimensions": (lambda x: torch.matmul(heads(x), heads(x).mT), "matmul()"),
    "broadcast matrix": (lambda x: x @ x[0].mT, "matmul()"),
    "broadcast batch": (lambda x: heads(x) @ heads(x)[:1, :1].mT, "matmul()"),
    "baddbmm": (lambda x: torch.baddbmm(x[:, :, :6], x, x.mT, beta=0.5, alpha=2.0), "baddbmm()"),
    "einsum": (lambda x: torch.einsum("bik,bjk->bij", x, x), "einsum()"),
    "einsum with dots": (lambda x: torch.einsum("...ik,...jk->...ij", x, x + 1), "einsum()"),
    "einsum transposed": (lambda x: torch.einsum("b i k, b i l -> l b k", x, x[..., :3]), "einsum()"),
    "attention": (sdpa, "scaled_dot_product_attention()"),
    "causal": (lambda x: sdpa(x, is_causal=True), "scaled_dot_product_attention()"),
    "mask": (lambda x: sdpa(x, attn_mask=HIDDEN, scale=0.3), "scaled_dot_product_attention()"),
    "bias": (lambda x: sdpa(x, attn_mask=torch.linspace(-1, 1, 36).view(6, 6)), "scaled_dot_product_attention()"),
    "grouped queries": (lambda x: functional.scaled_dot_product_attention(
        heads(x), heads(x)[:, :1], heads(x)[:, 1:], enable_gqa=True), "scaled_dot_product_attention()"),
}  # fmt: skip


def step(model: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = x.clone().requires_grad_()
    y = model(x)
    y.backward(torch.linspace(-1, 1, y.numel()).view(y.shape))
    return y.detach(), x.grad  # type: ignore[return-value]


@pytest.mark.parametrize("name", list(WAYS))
def test_every_way_is_quantized(name: str) -> None:
    torch.manual_seed(0)
    way, row = WAYS[name]
    x = torch.randn(2, 6, 8)
    expected, found = step(Way(way), x), step(model := quantize(Way(way), WIDE), x)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=1e-3)
        assert not torch.equal(one, other)
    assert [(r.now, r.name) for r in model.lbt.table if r.name == row] == [("quantized", row)]
    assert all(torch.equal(a, b) for a, b in zip(step(quantize(Way(way), "fp32"), x), expected, strict=True))
    low = step(quantize(Way(way), Recipe.model_validate({"A": "int3", "E": "int3"})), x)
    assert (low[0] - expected[0]).norm() > 0.02 * expected[0].norm()


@pytest.mark.parametrize("way", [
    lambda x: x @ x[0, 0],
    lambda x: torch.einsum("bik,bjk->bi", x, x),
    lambda x: torch.einsum("bik,bjk,bij->b", x, x, x @ x.mT),
    lambda x: functional.bilinear(x, x, torch.ones(2, 8, 8)),
])  # fmt: skip
def test_what_has_no_form_stays_float_and_is_named(way: Callable[..., torch.Tensor]) -> None:
    x, model = torch.randn(2, 6, 8), quantize(Way(way), WIDE)
    assert torch.isfinite(model(x)).all()
    assert any(row.now == "float" and "no quantized form" in row.why for row in model.lbt.table)


def test_operands_and_errors_are_those_that_are_written_down() -> None:
    torch.manual_seed(0)
    x, w = torch.randn(3, 5, 7, requires_grad=True), torch.randn(3, 7, 4, requires_grad=True)
    y = quantize(Way(torch.bmm), LOW)(x, w)
    error = torch.randn(3, 5, 4)
    y.backward(error)

    def q(t: torch.Tensor, word: str) -> torch.Tensor:
        return quantize_tensor(t.detach(), RoleSpec.model_validate(word), Key(role="A")).dequantize()

    a, b, e = q(x, "int8"), q(w, "int8"), q(error, "int6")
    torch.testing.assert_close(y, a @ b)
    torch.testing.assert_close(x.grad, e @ b.mT)
    torch.testing.assert_close(w.grad, a.mT @ e)


def test_blocks_of_a_pair_run_along_what_each_product_sums_over() -> None:
    torch.manual_seed(0)
    along = {"format": "mxe2m1", "along": "reduction"}
    x, w = torch.randn(2, 40, 36, requires_grad=True), torch.randn(2, 36, 33, requires_grad=True)
    y = quantize(Way(torch.matmul), Recipe.model_validate({"A": along, "E": along}))(x, w)
    error = torch.randn(2, 40, 33)
    y.backward(error)

    def q(t: torch.Tensor, axis: int) -> torch.Tensor:
        moved = t.detach().movedim(axis, -1).flatten(0, -2)
        values = quantize_tensor(moved, RoleSpec.model_validate("mxe2m1"), Key(role="A")).dequantize()
        return values.view(t.detach().movedim(axis, -1).shape).movedim(-1, axis)

    torch.testing.assert_close(y, q(x, 2) @ q(w, 1))
    torch.testing.assert_close(x.grad, q(error, 2) @ q(w, 2).mT)
    torch.testing.assert_close(w.grad, q(x, 1).mT @ q(error, 1))


def test_a_rotated_pair_is_the_product() -> None:
    turn = {"format": "int16", "rotate": "hadamard(8)"}
    for recipe in ({"A": turn, "W": turn, "E": turn}, {"A": "int16", "W": "int16", "E": turn, "WE": turn, "AG": turn}):
        model, x = quantize(Way(lambda x: x @ x.mT), Recipe.model_validate(recipe)), torch.randn(2, 6, 8)
        for one, other in zip(step(Way(lambda x: x @ x.mT), x), step(model, x), strict=True):
            torch.testing.assert_close(one, other, atol=2e-3, rtol=1e-3)


def test_a_pair_takes_activations_and_errors_of_the_recipe() -> None:
    a, e = (RoleSpec.model_validate(word) for word in ("int8", "int4"))
    assert pair_roles(Roles(W=e, A=a, E=e, EG=a, G=a)) == Roles(W=a, A=a, E=e)
    assert not pair_roles(Roles(W=a)).given()
    model = quantize(Way(lambda x: x @ x.mT), Recipe.model_validate({"W": "int8"}))
    model(torch.randn(2, 6, 8))
    assert {row.name: row.now for row in model.lbt.table}["matmul()"] == "float"


def test_the_recipe_can_leave_attention_in_float() -> None:
    recipe = Recipe.model_validate({"A": "int4", "E": "int4", "layers": {"*attention()": "float"}})
    x = torch.randn(2, 6, 8)
    for one, other in zip(step(Way(sdpa), x), step(quantize(Way(sdpa), recipe), x), strict=True):
        assert torch.equal(one, other)


def test_weights_of_attention_are_not_clipped() -> None:
    """One key that takes all the weight, among 60: a rule of 2 sigma would cut it to a quarter."""
    recipe = Recipe.model_validate({"A": {"format": "int16", "range": {"rule": "sigma", "k": 2}}})
    q, k = torch.zeros(1, 60, 4), torch.zeros(1, 60, 4)
    q[:, 5], k[:, 7] = 1.0, 30.0
    model = quantize(Way(lambda v: functional.scaled_dot_product_attention(q, k, v)), recipe)
    plain = functional.scaled_dot_product_attention(q, k, torch.ones(1, 60, 1))
    torch.testing.assert_close(model(torch.ones(1, 60, 1)), plain, atol=1e-2, rtol=0)


@pytest.mark.parametrize("need_weights", [True, False])
def test_attention_of_torch_multiplies_in_low_precision(need_weights: bool) -> None:
    torch.manual_seed(0)
    layer, x = nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(2, 6, 8)
    recipe = Recipe.model_validate({"W": "int16", "A": "int16", "E": "int16",
                                    "layers": {"*matmul()": {"A": "int3"}, "*attention()": {"A": "int3"}}})  # fmt: skip
    model = quantize(nn.ModuleDict({"attention": layer}), recipe)["attention"]  # type: ignore[index]
    y, plain = (m(x, x, x, need_weights=need_weights)[0] for m in (model, layer))
    assert 0.05 < float((y - plain).norm() / plain.norm()) < 0.8
    y.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    word = "matmul()" if need_weights else "scaled_dot_product_attention()"
    assert {row.name: row.now for row in model.lbt.table}[f"attention.{word}"] == "quantized"


def test_explain_has_rows_for_both_operands_of_each_product() -> None:
    torch.manual_seed(0)

    def rows(way: Callable[..., torch.Tensor]) -> list[dict[str, Any]]:
        model = nn.Sequential(nn.Linear(8, 8), Way(way))
        table = explain(model, torch.randn(2, 6, 8), lambda y, _: y.square().sum(), recipe=LOW).to_pylist()
        return [{**row, "layer": row["layer"].removeprefix("1.")} for row in table if row["layer"] != "0"]

    table = rows(sdpa)
    name = "scaled_dot_product_attention()"
    assert {(row["layer"], row["role"]) for row in table} == {
        (f"{name}.{part}", role) for part in ("scores", "values") for role in ("A", "A2", "E")}  # fmt: skip
    assert all(row["sqnr"] > 10 for row in table)
    assert {row["layer"] for row in rows(lambda x: x @ x.mT @ x)} == {"matmul()", "matmul() #2"}


def test_ranges_of_both_operands_are_frozen() -> None:
    torch.manual_seed(0)
    model = quantize(Way(sdpa), LOW).eval()
    x = torch.randn(2, 6, 8)
    x[1] *= 20
    before = model(x)
    freeze_ranges(model, x)
    assert torch.equal(model(x), before)
    roles, _ = model.lbt.sites["scaled_dot_product_attention().values"]
    assert roles.A.range.high[0] < 1.01 < roles.W.range.high[0]  # weights of attention, values


def test_draws_are_keyed_by_step_and_call() -> None:
    recipe = Recipe.model_validate({"A": {"format": "int4", "rounding": "stochastic"}})
    model, x = quantize(Way(lambda x: x @ x.mT), recipe), torch.randn(2, 6, 8)
    found = []
    for number in (0, 1, 0):
        set_step(model, number)
        found.append(model(x))
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])


@pytest.mark.parametrize(("equation", "dims", "expected"), [
    ("bik,bjk->bij", (3, 3), ("bik", "bjk", "bij")),
    ("...ik,...kj->...ij", (4, 4), ("abik", "abkj", "abij")),
    ("bik,bjk", (3, 3), None),
    ("bik,bjk->bi", (3, 3), None),
    ("bii,bik->bk", (3, 3), None),
    ("bi,bj->bij", (2, 2), None),
    ("...ik,kj->...ij", (3, 2), ("aik", "kj", "aij")),
    ("...ik,...kj->...ij", (4, 3), None),
])  # fmt: skip
def test_terms_of_einsum(equation: str, dims: tuple[int, int], expected: tuple[str, str, str] | None) -> None:
    assert terms(equation, *dims) == expected


def test_a_query_without_keys_gets_zeros() -> None:
    x = torch.randn(2, 6, 8)
    y, grad = step(quantize(Way(lambda x: sdpa(x, attn_mask=HIDDEN)), LOW), x)
    assert (y[:, :, 5] == 0).all()
    assert torch.isfinite(grad).all()
    assert math.isfinite(float(y.sum()))


@pytest.mark.parametrize(("way", "row"), [
    (lambda m, x: functional.linear(input=x, weight=m.weight), ("linear()", "quantized")),
    (lambda m, x: functional.conv1d(input=x, weight=m.kernel), ("conv1d()", "quantized")),
    (lambda m, x: torch.matmul(input=x, other=m.weight), ("matmul(weight)", "quantized")),
    (lambda m, x: torch.addmm(m.weight[0], mat1=x[0], mat2=m.weight), ("addmm(weight)", "quantized")),
    (lambda m, x: torch.bmm(x, mat2=x.mT), ("bmm()", "quantized")),
    (lambda m, x: torch.matmul(input=x, other=x.mT), ("matmul()", "quantized")),
    (lambda m, x: torch.einsum("bij,bkj->bik", [x, x]), ("einsum()", "quantized")),
    (lambda m, x: torch.matmul(x, x.mT, out=torch.empty(2, 6, 6)), ("matmul()", "float")),
])  # fmt: skip
def test_arguments_by_name(way: Callable[..., torch.Tensor], row: tuple[str, str]) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.kernel = nn.Parameter(torch.randn(8, 8)), nn.Parameter(torch.randn(6, 6, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return way(self, x)

    plain, x = Named(), torch.randn(2, 6, 8)
    model = quantize(plain, WIDE)
    with torch.no_grad():
        torch.testing.assert_close(model(x), plain(x), atol=2e-3, rtol=1e-3)
    assert {r.name: r.now for r in model.lbt.table}[row[0]] == row[1]
