"""Modules that nobody prepared for lbt: converted, named in the table, or refused in one line."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn

from lbt.errors import LbtError
from lbt.nn import optimizer, quantize, summary
from lbt.nn.shares import shares
from lbt.recipe import Recipe


def plain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 5))


class ByWeight(nn.Module):
    """A product by a weight that is made by a function."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.head = nn.Parameter(torch.randn(8, 8)), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(nn.functional.linear(x, self.weight).relu())
        return y


class Mixed(nn.Module):
    """One name for two products: of activations, and of three operands, which has no quantized form."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 8))

    def forward(self, x: Tensor) -> Tensor:
        scores = torch.einsum("bic,bjc->bij", x, x)
        return torch.einsum("bij,bjc,cd->bid", scores, x, self.weight)


class Untraceable(Mixed):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.sum() > -1e9 else x


@pytest.mark.parametrize("kind", [Mixed, Untraceable])
def test_a_function_is_float_in_the_table_if_one_of_its_calls_is(kind: Callable[[], nn.Module]) -> None:
    x = torch.randn(2, 4, 8)
    (share,) = shares(quantize(kind(), "int8"), x)
    assert {row.name: row.now for row in share.rows}["einsum()"] == "float"
    assert (share.mac_share, share.weight_share) == (0.0, 0.0)


def test_a_graph_module_is_converted_and_so_are_its_copies() -> None:
    torch.manual_seed(0)
    model, x = ByWeight(), torch.randn(4, 8)
    converted = quantize(fx.symbolic_trace(model), "int8")
    expected = quantize(model, "int8")(x)
    assert torch.equal(converted(x), expected)
    twin = copy.deepcopy(converted)
    assert torch.equal(twin(x), expected)
    assert twin.lbt is not converted.lbt
    (share,) = shares(converted, x)
    assert (share.weight_share, share.mac_share) == (1.0, 1.0)


class Scripted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layer(x))


@pytest.mark.parametrize("recipe", ["fp32", "int8"])
def test_a_script_module_inside_stays_float_is_named_and_trains(recipe: str) -> None:
    model = quantize(nn.Sequential(nn.Linear(8, 8), torch.jit.script(Scripted()), nn.Linear(8, 5)), recipe)
    rows = {row.name: row.now for row in shares(model)[0].rows}
    assert rows["1.layer"] == "float"
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    update = optimizer(model, lr=0.1)
    model(torch.randn(4, 8)).square().sum().backward()
    update.step()
    assert not any(torch.equal(before[name], p) for name, p in model.named_parameters())


@pytest.mark.parametrize("recipe", ["fp32", "int8"])
def test_a_model_that_was_compiled_before_gives_the_same_numbers(recipe: str) -> None:
    x, found = torch.randn(4, 8), []
    for compiled in (False, True):
        model = plain()
        converted = quantize(torch.compile(model, backend="eager") if compiled else model, recipe)
        summary(converted, x)  # the compiler gives up on a frame that it saw under the counter
        y = converted(x)
        y.sum().backward()
        found.append([y, *(p.grad for p in converted.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


class OnGraph(nn.Module):
    """Layers between sparse products, as networks on graphs have them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 5)
        self.register_buffer("edges", (torch.rand(6, 6) > 0.5).float().to_sparse())

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sparse.mm(self.edges, self.first(x)).relu()
        y: Tensor = self.last(self.edges @ x)
        return y


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda model: torch.compile(model, backend="eager")])
def test_layers_in_a_wrapper_have_their_own_names(wrap: Callable[[nn.Module], nn.Module]) -> None:
    recipe = Recipe.model_validate({"W": "int8", "A": "int8", "layers": {"2": "float"}})
    model = quantize(wrap(plain()), recipe)
    assert {row.name: row.now for row in model.lbt.table} == {"0": "quantized", "1": "float", "2": "float"}


def test_sparse_products_stay_float_and_are_named() -> None:
    torch.manual_seed(0)
    model = quantize(OnGraph(), "int8")
    x = torch.randn(6, 8)
    model(x).sum().backward()
    row = {row.name: row for row in shares(model)[0].rows}["matmul()"]
    assert (row.now, row.why) == ("float", "a product in float: an operand is sparse or nested")
    with pytest.raises(LbtError, match=r"layer 'first': found a torch.sparse_coo input; accepted: dense tensors"):
        model.first(x.to_sparse())


def test_a_call_under_vmap_is_refused_in_one_line() -> None:
    model = quantize(plain(), "int8")
    with pytest.raises(LbtError, match=r"layer '0': found a call inside of torch.func \(vmap"):
        torch.vmap(model)(torch.randn(4, 8))


class Hidden(nn.Module):
    """A layer in a plain list, of which PyTorch does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.head = [nn.Linear(8, 8)], nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.layers[0](x))
        return y


def test_weights_that_pytorch_does_not_know_of_are_in_the_total_too() -> None:
    (share,) = shares(quantize(Hidden(), "int8"), torch.randn(4, 8))
    assert share.total == share.named == sum(share.weights.values()) == 64 + 40


def test_products_that_pytorch_has_no_formula_for_are_counted() -> None:
    class Rare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pair, self.head = nn.Bilinear(8, 6, 4), nn.Linear(4, 5)
            self.vector = nn.Parameter(torch.randn(5))

        def forward(self, x: Tensor) -> Tensor:
            return torch.mv(self.head(self.pair(x, x[:, :6])), self.vector)

    (share,) = shares(quantize(Rare(), "int8"), torch.randn(3, 8))
    assert share.macs == {"pair": 3 * 8 * 6 * 4, "head": 3 * 20, "forward()": 3 * 5}
    assert {row.name: row.now for row in share.rows}["forward()"] == "float"
