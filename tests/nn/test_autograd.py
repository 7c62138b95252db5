"""Outputs and gradients of the quantized layers against slow, plain float64 NumPy written here."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lbt.kernels.quantize import fake_quantize
from lbt.kernels.quantize import quantize as quantize_tensor
from lbt.nn import quantize, set_step
from lbt.numerics.rounding import Key
from lbt.recipe import Recipe

INT = Recipe.model_validate({"W": "int8", "A": "int6", "E": "int5", "G": "int7"})


def q(x: np.ndarray, bits: int) -> np.ndarray:
    """Symmetric integers, maximum, ties to even: scale and quotient in float32 as the definition says."""
    top = np.abs(x).max()
    if top == 0:
        return np.zeros(x.shape)
    h = np.float32(2 ** (bits - 1) - 1)
    scale = np.float32(top) / h
    return np.clip(np.round(x.astype(np.float32) * (np.float32(1) / scale)), -h, h).astype(np.float64) * np.float64(
        scale
    )


def conv(x, w, dy, stride, padding, dilation, groups):
    """y, dx, dw of a 2-D convolution by its definition. dy may be None."""
    n, _, h, wd = x.shape
    o, cg, kh, kw = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    oh = (h + 2 * padding - dilation * (kh - 1) - 1) // stride + 1
    ow = (wd + 2 * padding - dilation * (kw - 1) - 1) // stride + 1
    y, dxp, dw = np.zeros((n, o, oh, ow)), np.zeros(xp.shape), np.zeros(w.shape)
    for oc, i, j in itertools.product(range(o), range(kh), range(kw)):
        g = oc // (o // groups)
        chans = slice(g * cg, (g + 1) * cg)
        rows = slice(i * dilation, i * dilation + stride * (oh - 1) + 1, stride)
        cols = slice(j * dilation, j * dilation + stride * (ow - 1) + 1, stride)
        patch = xp[:, chans, rows, cols]
        y[:, oc] += np.einsum("nchw,c->nhw", patch, w[oc, :, i, j])
        if dy is not None:
            dxp[:, chans, rows, cols] += np.einsum("nhw,c->nchw", dy[:, oc], w[oc, :, i, j])
            dw[oc, :, i, j] += np.einsum("nhw,nchw->c", dy[:, oc], patch)
    return y, dxp[:, :, padding : padding + h, padding : padding + wd], dw


def close(found: torch.Tensor, expected: np.ndarray) -> None:
    size = np.abs(expected).max() + 1e-12
    np.testing.assert_allclose(found.detach().double().numpy(), expected, rtol=0, atol=3e-6 * size)


@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2),
    st.integers(1, 2), st.integers(0, 10**6),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_conv2d(n, groups, c, k, stride, padding, dilation, seed) -> None:
    torch.manual_seed(seed)
    layer = nn.Conv2d(groups * c, groups * 2, k, stride, padding, dilation, groups, bias=True)
    model = quantize(nn.Sequential(layer), INT)
    x = torch.randn(n, groups * c, 7, 6, requires_grad=True)
    y = model(x)
    dy = torch.randn_like(y)
    y.backward(dy)
    xq, wq, dq = q(x.detach().numpy(), 6), q(layer.weight.detach().numpy(), 8), q(dy.numpy(), 5)
    out, dx, dw = conv(xq, wq, dq, stride, padding, dilation, groups)
    assert layer.bias is not None
    close(y, out + layer.bias.detach().numpy()[None, :, None, None])
    assert x.grad is not None
    close(x.grad, dx)
    close(model[0].bias.grad, dq.sum((0, 2, 3)))
    # G rounds dw: compare before rounding through the number of steps
    step = np.abs(dw).max() / 63
    assert np.abs(model[0].weight.grad.numpy() - dw).max() <= step * 0.5001 + 1e-9
    assert np.unique(np.round(model[0].weight.grad.numpy() / step)).size <= 127


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 5)])
def test_linear(shape: tuple[int, ...]) -> None:
    layer = nn.Linear(5, 3)
    model = quantize(nn.Sequential(layer), Recipe.model_validate({"W": "int8", "A": "int6", "E": "int5"}))
    x = torch.randn(shape, requires_grad=True)
    y = model(x)
    dy = torch.randn_like(y)
    y.backward(dy)
    xq, wq, dq = q(x.detach().numpy(), 6), q(layer.weight.detach().numpy(), 8), q(dy.numpy(), 5)
    close(y, xq @ wq.T + layer.bias.detach().numpy())
    assert x.grad is not None
    close(x.grad, dq @ wq)
    close(model[0].weight.grad, dq.reshape(-1, 3).T @ xq.reshape(-1, 5))
    close(model[0].bias.grad, dq.reshape(-1, 3).sum(0))


@pytest.mark.parametrize("word", ["sign", "ternary", "uint2", "int3"])
@pytest.mark.parametrize("shape", [{"groups": 4}, {"groups": 2, "dilation": 2, "padding": 2}, {"stride": 2}])
def test_a_few_bits_in_one_dimension(word: str, shape: dict) -> None:
    """Conv1d, depthwise, grouped and dilated, with one to three bits, against float64 on the same operands."""
    torch.manual_seed(0)
    recipe = Recipe.model_validate({"W": word.removeprefix("u"), "A": word, "E": word.removeprefix("u")})
    layer = nn.Conv1d(4, 8, 3, **shape)
    x = torch.randn(3, 4, 11, requires_grad=True)
    quantized = quantize(layer, recipe)
    y = quantized(x)
    dy = torch.randn(y.shape)
    y.backward(dy)
    a, w, e = (
        quantize_tensor(t, getattr(recipe, role), Key(role=role)).dequantize().double()
        for role, t in (("A", x), ("W", layer.weight), ("E", dy))
    )
    assert w.unique().numel() <= 2**recipe.W.bits
    a.requires_grad_()
    w.requires_grad_()
    plain = torch.nn.functional.conv1d(
        a, w, layer.bias.double(), layer.stride, layer.padding, layer.dilation, layer.groups
    )
    torch.testing.assert_close(y, plain.float(), atol=1e-4, rtol=1e-5)
    plain.backward(e)
    torch.testing.assert_close(x.grad, a.grad.float(), atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(quantized.weight.grad, w.grad.float(), atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(quantized.bias.grad, e.sum((0, 2)).float(), atol=1e-4, rtol=1e-5)


def test_conv1d_equals_a_flat_conv2d() -> None:
    one, two = nn.Conv1d(4, 6, 3, padding=1), nn.Conv2d(4, 6, (1, 3), padding=(0, 1))
    two.load_state_dict({"weight": one.weight.detach().unsqueeze(2), "bias": one.bias.detach()})
    x = torch.randn(2, 4, 9)
    a, b = quantize(one, INT)(x), quantize(two, INT)(x.unsqueeze(2))
    assert torch.equal(a, b.squeeze(2))


@pytest.mark.parametrize("options", [{"padding": "same"}, {"padding": "same", "kernel_size": 2}, {"padding": "valid"},
                                     {"padding": 1, "padding_mode": "circular"}])  # fmt: skip
def test_padding_modes_in_wide_formats_equal_float(options: dict) -> None:
    layer = nn.Conv2d(3, 4, **{"kernel_size": 3, **options})
    wide = Recipe.model_validate({"W": "int16", "A": "int16"})
    x = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(quantize(layer, wide)(x), layer(x), rtol=0, atol=1e-3)
    assert quantize(layer, wide)(x[0]).shape == layer(x[0]).shape


@pytest.mark.parametrize("granularity", ["channel", "sample", "block(4)"])
def test_finer_granularities_multiply_what_fake_quantize_says(granularity: str) -> None:
    weights = granularity.replace("sample", "channel")
    spec = {"format": "int4", "granularity": granularity}
    recipe = Recipe.model_validate({"W": {**spec, "granularity": weights}, "A": spec, "E": spec})
    layer = nn.Conv2d(8, 8, 3, padding=1, bias=False)
    model = quantize(nn.Sequential(layer), recipe)
    x = torch.randn(3, 8, 5, 5, requires_grad=True)
    dy = torch.randn(3, 8, 5, 5)
    model(x).backward(dy)
    key = model.lbt.key("0", "A")
    xq = fake_quantize(x, recipe.A, key)
    wq = fake_quantize(layer.weight, recipe.W, model.lbt.key("0", "W"))
    eq = fake_quantize(dy, recipe.E, key)
    _, dx, dw = conv(xq.double().numpy(), wq.double().numpy(), eq.double().numpy(), 1, 1, 1, 1)
    assert x.grad is not None
    close(x.grad, dx)
    close(model[0].weight.grad, dw)


def test_the_error_copy_makes_the_weight_gradient() -> None:
    layer = nn.Linear(6, 4, bias=False)
    recipe = Recipe.model_validate({"W": "int8", "A": "int8", "E": "int2", "EG": "int16"})
    model = quantize(nn.Sequential(layer), recipe)
    x = torch.randn(5, 6, requires_grad=True)
    dy = torch.randn(5, 4)
    model(x).backward(dy)
    assert x.grad is not None
    close(x.grad, q(dy.numpy(), 2) @ q(layer.weight.detach().numpy(), 8))
    close(model[0].weight.grad, q(dy.numpy(), 16).T @ q(x.detach().numpy(), 8))


def test_products_are_exact_whatever_the_threads() -> None:
    """Integer-valued operands below 2^24: the same bits with one thread and with two."""
    recipe = Recipe.load("int8")
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 16, 3, padding=1)
    x = torch.randn(8, 16, 16, 16)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            model = quantize(layer, recipe)
            xi = x.clone().requires_grad_()
            y = model(xi)
            y.square().sum().backward()
            found.append((y.detach(), xi.grad, model.weight.grad))
    finally:
        torch.set_num_threads(before)
    for a, b in zip(*found, strict=True):
        assert torch.equal(a, b)


def test_micro_batches_round_alike() -> None:
    """With a fixed range the errors of a split batch are those of the whole, sample by sample."""
    role = {"format": "int4", "range": {"rule": "fixed", "value": 2.0}, "rounding": "stochastic"}
    model = quantize(
        nn.Sequential(nn.Conv2d(3, 4, 3, bias=False)), Recipe.model_validate({"A": role, "E": role, "W": "int8"})
    )
    x, dy = torch.randn(6, 3, 5, 5), torch.randn(6, 4, 3, 3)

    def gradients(start: int, stop: int) -> torch.Tensor:
        set_step(model, 9, first_sample=start)
        part = x[start:stop].clone().requires_grad_()
        model(part).backward(dy[start:stop])
        assert part.grad is not None
        return part.grad

    assert torch.equal(torch.cat([gradients(0, 2), gradients(2, 6)]), gradients(0, 6))
