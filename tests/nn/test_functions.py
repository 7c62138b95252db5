"""Products by functions, subclasses, parametrizations, attention: quantized or named, and to the right values."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from lbt.nn import quantize, set_step, summary
from lbt.nn.layers.base import QuantizedLayer
from lbt.recipe import Recipe

RECIPE = Recipe.model_validate({"W": "int8", "A": "int6", "E": "int5"})


class Own(nn.Linear):
    """Keeps the forward; has a method of its own."""

    def twice(self, x: torch.Tensor) -> torch.Tensor:
        return self(self(x))


class Masked(nn.Linear):
    """A forward of its own around F.linear."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.weight * self.weight.sign().abs(), self.bias)


class Transposed(nn.Module):
    """x @ W + b, as GPT-2 writes it."""

    def __init__(self, way: str, n: int = 6, m: int = 6) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(n, m)), nn.Parameter(torch.randn(m))
        self.way = way

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.way == "addmm":
            return torch.addmm(self.bias, x.view(-1, x.shape[-1]), self.weight).view(*x.shape[:-1], -1)
        if self.way == "matmul":
            return torch.matmul(x, self.weight) + self.bias
        return x @ self.weight + self.bias


class Standardised(nn.Conv2d):
    """A convolution that standardises its weight."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        w = self.weight
        w = (w - w.mean((1, 2, 3), keepdim=True)) / (w.std((1, 2, 3), keepdim=True) + 1e-5)
        return functional.conv2d(x, w, self.bias, self.stride, self.padding, self.dilation, self.groups)


def same(model: nn.Module, plain: nn.Module, x: torch.Tensor) -> None:
    """Bits of ``plain``, a converted layer of PyTorch's own that computes the same."""
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, z = model(a), plain(b)
    assert torch.equal(y, z)
    y.square().sum().backward()
    z.square().sum().backward()
    assert torch.equal(a.grad, b.grad)
    assert y.detach().unique().numel() > 5


def test_a_subclass_that_keeps_the_forward_is_quantized_and_stays_what_it_was() -> None:
    torch.manual_seed(0)
    layer = Own(6, 6)
    model, plain = quantize(nn.Sequential(layer), RECIPE), nn.Linear(6, 6)
    plain.load_state_dict(layer.state_dict())
    assert isinstance(model[0], Own)
    assert isinstance(model[0], QuantizedLayer)
    same(model, quantize(nn.Sequential(plain), RECIPE), torch.randn(5, 6))
    assert model[0].twice(torch.randn(2, 6)).shape == (2, 6)
    assert type(copy.deepcopy(model)[0]) is type(model[0])
    again = pickle.loads(pickle.dumps(model[0]))  # noqa: S301
    assert torch.equal(again(torch.ones(2, 6)), model[0](torch.ones(2, 6)))


@pytest.mark.parametrize("parametrize", [
    parametrizations.weight_norm, parametrizations.spectral_norm, parametrizations.orthogonal,
])  # fmt: skip
def test_a_parametrized_weight_is_quantized(parametrize: Any) -> None:
    torch.manual_seed(0)
    layer = parametrize(nn.Linear(6, 6)).eval()
    model, plain = quantize(nn.Sequential(layer), RECIPE), nn.Linear(6, 6)
    with torch.no_grad():
        plain.weight.copy_(layer.weight)
        plain.bias.copy_(layer.bias)
    row = model.lbt.table[0]
    assert (row.name, row.kind, row.now) == ("0", "Linear", "quantized")
    assert len(model.lbt.table) == 1
    model.eval()
    same(model, quantize(nn.Sequential(plain), RECIPE), torch.randn(5, 6))
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("way", ["addmm", "matmul", "@"])
@pytest.mark.parametrize("shape", [(5, 6), (2, 5, 6)])
def test_a_transposed_linear_layer_is_quantized(way: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer, plain = Transposed(way), nn.Linear(6, 6)
    with torch.no_grad():
        plain.weight.copy_(layer.weight.t())
        plain.bias.copy_(layer.bias)
    model = quantize(nn.Sequential(layer), RECIPE)
    word = "addmm" if way == "addmm" else "matmul"
    model(torch.randn(shape))  # the shape arithmetic around addmm cannot be traced
    assert {row.name: row.now for row in model.lbt.table}[f"0.{word}(weight)"] == "quantized"
    if way == "addmm":
        same(model, quantize(nn.Sequential(plain), RECIPE), torch.randn(shape))
    with torch.inference_mode():
        assert not torch.equal(model(torch.ones(shape)), layer(torch.ones(shape)))


def test_functional_forwards_have_the_bits_of_the_module() -> None:
    torch.manual_seed(0)
    layer, plain = Masked(6, 4), nn.Linear(6, 4)
    plain.load_state_dict(layer.state_dict())
    same(quantize(nn.Sequential(layer), RECIPE), quantize(nn.Sequential(plain), RECIPE), torch.randn(5, 6))
    conv, plain2 = Standardised(3, 4, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
    with torch.no_grad():
        w = conv.weight
        plain2.weight.copy_((w - w.mean((1, 2, 3), keepdim=True)) / (w.std((1, 2, 3), keepdim=True) + 1e-5))
        plain2.bias.copy_(conv.bias)
    same(quantize(nn.Sequential(conv), RECIPE), quantize(nn.Sequential(plain2), RECIPE), torch.randn(2, 3, 5, 5))
    rows = {row.name: row for row in quantize(nn.Sequential(conv), RECIPE).lbt.table}
    assert rows["0.conv2d()"].now == "quantized"


class Branch(nn.Module):
    """Cannot be traced; multiplies by functions, and has a layer that the recipe leaves in float."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.own = nn.Linear(6, 6), Transposed("matmul")
        self.weight = nn.Parameter(torch.randn(4, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        if x.sum() > 1e9:
            return x
        x = self.own(x)
        return functional.linear(x, self.weight) + (x @ x.t()).sum()


def test_what_cannot_be_traced_is_found_when_it_runs() -> None:
    model = quantize(Branch(), Recipe.model_validate({"W": "int4", "A": "int4", "layers": {"first": "float"}}))
    twin = Branch()
    twin.load_state_dict(model.state_dict())
    x = torch.randn(5, 6)
    assert torch.equal(model.first(x), twin.first(x))
    seen: dict[str, torch.Tensor] = {}
    model.first.register_forward_hook(lambda _, __, y: seen.__setitem__("first", y))
    model(x)
    assert torch.equal(
        seen["first"], twin.first(x)
    )  # the recipe leaves it in float, inside of a functional forward too
    rows = {row.name: (row.now, row.why) for row in model.lbt.table}
    assert rows["linear()"][0] == rows["own.matmul(weight)"][0] == "quantized"
    assert rows["matmul()"][0] == "quantized"
    assert rows["first"][0] == "float"
    assert isinstance(model, Branch)


def test_stochastic_draws_of_functions_are_keyed_as_those_of_layers() -> None:
    recipe = Recipe.model_validate({"A": {"format": "int4", "rounding": "stochastic"}})
    model = quantize(nn.Sequential(Masked(6, 4)), recipe)
    x = torch.randn(5, 6)
    set_step(model, 3)
    first, second = model(x), model(x)
    set_step(model, 3)
    assert torch.equal(model(x), first)
    assert not torch.equal(first, second)


def test_fp32_is_bit_equal_and_changes_no_class() -> None:
    layers = [Masked(6, 6), Transposed("@"), Own(6, 6), nn.TransformerEncoderLayer(6, 2, 8, batch_first=True)]
    model = nn.Sequential(*layers).eval()
    twin = quantize(model, "fp32")
    x = torch.randn(3, 5, 6)
    assert torch.equal(twin(x), model(x))
    assert [type(m) for m in twin.modules()] == [type(m) for m in model.modules()]
    with torch.no_grad():
        assert torch.equal(twin(x), model(x))


WIDE = Recipe.model_validate({"W": "int16", "A": "int16"})


@pytest.mark.parametrize("options", [{}, {"batch_first": True}, {"bias": False}, {"kdim": 4, "vdim": 3}])
@pytest.mark.parametrize("need_weights", [True, False])
def test_attention_computes_what_torch_does(options: dict, need_weights: bool) -> None:
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(6, 2, **options)
    model = quantize(nn.ModuleDict({"attn": layer}), WIDE)["attn"]
    assert type(model).__mro__[0].__name__ == "QMultiheadAttention"
    assert isinstance(model.out_proj, QuantizedLayer)
    q, k, v = torch.randn(3, 3, 6), torch.randn(3, 3, options.get("kdim", 6)), torch.randn(3, 3, options.get("vdim", 6))
    mask = torch.triu(torch.ones(3, 3, dtype=torch.bool), 1)
    padding = torch.tensor([[False, False, True], [False, False, False], [False, False, True]])
    for arguments in ({}, {"attn_mask": mask}, {"key_padding_mask": padding}, {"attn_mask": torch.randn(6, 3, 3)},
                      {"attn_mask": mask, "key_padding_mask": padding, "average_attn_weights": False}):  # fmt: skip
        found = model(q, k, v, need_weights=need_weights, **arguments)
        expected = layer(q, k, v, need_weights=need_weights, **arguments)
        torch.testing.assert_close(found[0], expected[0], atol=2e-3, rtol=0)
        assert (found[1] is None) == (expected[1] is None)
        if need_weights:
            torch.testing.assert_close(found[1], expected[1], atol=2e-3, rtol=0)
    if not options:
        torch.testing.assert_close(model(q, q, q)[0], layer(q, q, q)[0], atol=2e-3, rtol=0)
        torch.testing.assert_close(model(q, k, k)[0], layer(q, k, k)[0], atol=2e-3, rtol=0)
        torch.testing.assert_close(model(q[0], k[0], v[0])[0], layer(q[0], k[0], v[0])[0], atol=2e-3, rtol=0)


def test_a_transformer_in_evaluation_is_quantized_too() -> None:
    torch.manual_seed(0)
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    converted = quantize(model, "int4").eval()
    x = torch.randn(2, 5, 8)
    padding = torch.zeros(2, 5, dtype=torch.bool)
    padding[:, 4] = True
    with torch.no_grad():
        for arguments in ({}, {"src_key_padding_mask": padding}):
            y = converted(x, **arguments)
            assert not torch.allclose(y[:, :4], model(x, **arguments)[:, :4], atol=1e-3)
    with torch.enable_grad():
        assert torch.equal(converted(x).detach(), converted(x))
    text = summary(converted)
    assert "self_attn " in text


def test_attention_that_stays_float_names_its_output_projection_too() -> None:
    model = quantize(nn.Sequential(nn.MultiheadAttention(6, 2, add_bias_kv=True)), "int8")
    rows = {row.name: (row.now, row.why) for row in model.lbt.table}
    assert rows["0"][0] == rows["0.out_proj"][0] == "float"
    assert "is read by 0" in rows["0.out_proj"][1]


@pytest.mark.slow
def test_torch_compile_keeps_products_by_functions_quantized() -> None:
    torch.manual_seed(0)
    model = quantize(nn.Sequential(nn.Linear(6, 6), Transposed("@"), nn.ReLU()), RECIPE)
    x = torch.randn(5, 6)
    set_step(model, 0)
    expected = model(x)
    set_step(model, 0)
    assert torch.equal(torch.compile(model, backend="eager")(x), expected)


def test_a_checkpointed_function_repeats_its_draws() -> None:
    from torch.utils.checkpoint import checkpoint

    recipe = Recipe.model_validate({"A": {"format": "int4", "rounding": "stochastic"}, "W": "int8"})
    found = []
    for again in (False, True):
        torch.manual_seed(0)
        model = quantize(nn.Sequential(Masked(6, 6), Transposed("@")), recipe)
        set_step(model, 3)
        x = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
        y = checkpoint(model, x, use_reentrant=False) if again else model(x)
        y.square().sum().backward()
        found.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_a_scaled_loss_passes_through_functions() -> None:
    from lbt.nn import optimizer, scale_loss

    update = {"loss_scale": "dynamic"}
    model = quantize(nn.Sequential(Masked(6, 6)), Recipe.model_validate({"W": "int8", "E": "int8", "update": update}))
    opt = optimizer(model, lr=0.1)
    before = model[0].weight.detach().clone()
    scale_loss(model, model(torch.randn(2, 6)).sum() * float("inf")).backward()
    opt.step()
    assert opt.skipped == 1
    assert torch.equal(model[0].weight, before)


def test_ranges_of_functions_are_frozen_too() -> None:
    from lbt.errors import LbtError
    from lbt.nn import freeze_ranges

    torch.manual_seed(0)
    model = quantize(nn.Sequential(Masked(6, 6), nn.TransformerEncoderLayer(6, 2, 8, batch_first=True)), RECIPE).eval()
    x = torch.cat([torch.randn(1, 3, 6), torch.randn(1, 3, 6) * 30])
    assert not torch.equal(model(x)[:1], model(x[:1]))
    with pytest.raises(LbtError, match="give a batch"):
        freeze_ranges(model)
    freeze_ranges(model, x[:1])
    torch.testing.assert_close(model(x)[:1], model(x[:1]), atol=1e-6, rtol=1e-6)
