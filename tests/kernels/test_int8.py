"""The integer products, requantization and update, bit for bit against plain int64 NumPy loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lbt.errors import LbtError
from lbt.fixed.requantize import multiplier, random_bits, requantize, shift_for, shift_stochastic
from lbt.fixed.update import IntegerSGD
from lbt.kernels.geometry import Geometry
from lbt.kernels.int8 import columns, direct, gemm
from lbt.numerics.rounding import Key


def codes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-128, 128, shape).astype(np.int8)


def slow_conv(x: np.ndarray, w: np.ndarray, g: Geometry) -> np.ndarray:
    """Definition of a convolution, int64, one output position at a time."""
    x, w = x.astype(np.int64), w.astype(np.int64)
    (ph, pw), (sh, sw), (dh, dw) = g.padding, g.stride, g.dilation
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    n, _, h, width = x.shape
    o, cg, kh, kw = w.shape
    oh, ow = (h - dh * (kh - 1) - 1) // sh + 1, (width - dw * (kw - 1) - 1) // sw + 1
    y = np.zeros((n, o, oh, ow), np.int64)
    for f in range(o):
        base = f // (o // g.groups) * cg
        for i in range(oh):
            for j in range(ow):
                patch = x[:, base : base + cg, i * sh : i * sh + dh * kh : dh, j * sw : j * sw + dw * kw : dw]
                y[:, f, i, j] = (patch[:, :, :kh, :kw] * w[f]).sum((1, 2, 3))
    return y


def slow_gradients(x: np.ndarray, w: np.ndarray, dy: np.ndarray, g: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Error and weight gradient: each product of the forward pass, scattered back."""
    x64, w64, dy64 = x.astype(np.int64), w.astype(np.int64), dy.astype(np.int64)
    (ph, pw), (sh, sw), (dh, dw) = g.padding, g.stride, g.dilation
    x64 = np.pad(x64, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    dx, dweight = np.zeros_like(x64), np.zeros_like(w64)
    o, cg, kh, kw = w.shape
    for f in range(o):
        base = f // (o // g.groups) * cg
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                for a in range(kh):
                    for b in range(kw):
                        row, column = i * sh + a * dh, j * sw + b * dw
                        e = dy64[:, f, i, j, None]
                        dx[:, base : base + cg, row, column] += e * w64[f, :, a, b]
                        dweight[f, :, a, b] += (e * x64[:, base : base + cg, row, column]).sum(0)
    return dx[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]], dweight


def nearest_even(x: int, shift: int) -> int:
    low, rest = divmod(x, 1 << shift)
    return low + (2 * rest > (1 << shift) or (2 * rest == (1 << shift) and low % 2 == 1))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(0, 70), st.integers(0, 40))
def test_matmul_on_random_shapes(seed: int, m: int, k: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = codes(rng, m, k), codes(rng, k, n)
    got = gemm.matmul(torch.from_numpy(a), torch.from_numpy(b))
    assert got.dtype == torch.int32
    assert np.array_equal(got.numpy(), a.astype(np.int64) @ b.astype(np.int64))


def test_the_longest_int32_reduction_and_one_more() -> None:
    for k, dtype in ((gemm.LONGEST, torch.int32), (gemm.LONGEST + 1, torch.int64), (300_000, torch.int64)):
        a = torch.full((2, k), -128, dtype=torch.int8)
        got = gemm.matmul(a, a.t().contiguous())
        assert got.dtype == dtype
        assert (got == k * 128**2).all()


def test_a_single_column_of_a_wider_tensor() -> None:
    # contiguous in name only: its row stride is that of the tensor it was cut from
    whole = torch.arange(-60, 60, dtype=torch.int8).view(40, 3)
    column = whole[:, :1]
    assert torch.equal(gemm.matmul(column.t(), column), column.int().t() @ column.int())
    assert torch.equal(gemm.matmul(column[:1], column[:1].t()), column[:1].int() @ column[:1].int())


def test_an_inexact_kernel_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "_int_mm", lambda a, b: (a.float() @ b.float()).clamp(-(2**15), 2**15).int())
    gemm.kernel_is_exact.cache_clear()
    try:
        assert not gemm.kernel_is_exact(torch.device("cpu"))
        a = torch.full((4, 64), 127, dtype=torch.int8)
        assert (gemm.matmul(a, a.t()) == 64 * 127**2).all()
    finally:
        monkeypatch.undo()
        gemm.kernel_is_exact.cache_clear()


def test_matmul_refuses_other_types() -> None:
    with pytest.raises(LbtError, match=r"accepted: int8 \(M, K\)"):
        gemm.matmul(torch.zeros(2, 3), torch.zeros(3, 2))


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], Geometry]:
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    c, o = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    if draw(st.booleans()):
        groups, o = c, c * draw(st.integers(1, 2))  # depthwise
    pair = lambda low, high: (draw(st.integers(low, high)), draw(st.integers(low, high)))  # noqa: E731
    kernel, dilation, stride, padding = pair(1, 3), pair(1, 2), pair(1, 3), pair(0, 3)
    size = tuple(max(1, dilation[i] * (kernel[i] - 1) + 1 - 2 * padding[i]) + draw(st.integers(0, 5)) for i in (0, 1))
    return (draw(st.integers(1, 3)), c, *size), (o, c // groups, *kernel), Geometry(stride, padding, dilation, groups)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), convolutions(), st.booleans())
def test_convolution_products(seed: int, shapes: tuple, small_buffer: bool) -> None:
    (x_shape, w_shape, geometry), rng = shapes, np.random.default_rng(seed)
    x, w = codes(rng, *x_shape), codes(rng, *w_shape)
    previous, columns.BUFFER = columns.BUFFER, 64 if small_buffer else columns.BUFFER
    try:
        y = columns.conv2d(torch.from_numpy(x), torch.from_numpy(w), geometry)
        expected = slow_conv(x, w, geometry)
        assert np.array_equal(y.numpy(), expected)
        assert y.shape[2:] == geometry.output(x_shape[2:], w_shape[2:])
        dy = codes(rng, *expected.shape)
        dx, dweight = slow_gradients(x, w, dy, geometry)
        error = columns.conv2d_error(torch.from_numpy(dy), torch.from_numpy(w), x_shape[2:], geometry)
        assert np.array_equal(error.numpy(), dx)
        gradient = columns.conv2d_weight(torch.from_numpy(x), torch.from_numpy(dy), w_shape[2:], geometry)
        assert np.array_equal(gradient.numpy(), dweight)
        assert y.dtype == error.dtype == gradient.dtype == torch.int32
    finally:
        columns.BUFFER = previous


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1), convolutions(), st.sampled_from([1.0, 0.37, 2.0**-9]), st.booleans())
def test_convolution_products_without_columns(seed: int, shapes: tuple, scale: float, few_columns: bool) -> None:
    """Sums times one scale, rounded once, in float32: as the columns' sums converted and multiplied."""
    if not direct.works():  # this machine's kernel is not exact, or not there: then it must not be used
        assert not direct.pays((64, 8, 8, 8), (8, 8, 3, 3), (6, 6))
        return
    (x_shape, w_shape, geometry), rng = shapes, np.random.default_rng(seed)
    geometry, w_shape = geometry._replace(groups=1), (w_shape[0], x_shape[1], *w_shape[2:])
    x, w = codes(rng, *x_shape), codes(rng, *w_shape)
    expected = slow_conv(x, w, geometry)
    x_t, w_t = torch.from_numpy(x), torch.from_numpy(w)
    if min(*x_shape[2:], *expected.shape[2:]) > 1:
        y = direct.convolve(x_t, w_t, scale, geometry)
        assert np.array_equal(y.numpy(), expected.astype(np.float32) * np.float32(scale))
    dy = codes(rng, *expected.shape)
    dx, dweight = slow_gradients(x, w, dy, geometry)
    dy_t, (stride, padding, dilation, _) = torch.from_numpy(dy), geometry
    if min(*dy.shape[2:], *x_shape[2:]) > 1 and (dilation == (1, 1) or stride == (1, 1)):
        error = direct.error(dy_t, w_t, scale, x_shape[2:], geometry)
        assert np.array_equal(error.numpy(), dx.astype(np.float32) * np.float32(scale))
    if dilation == stride == (1, 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(direct, "_COLUMNS", 64 if few_columns else direct._COLUMNS)
            gradient = direct.weight_gradient(x_t, dy_t, w_shape[2:], padding)
        assert np.array_equal(gradient.numpy(), dweight)


@pytest.mark.parametrize("padding", [(2, 0), (1, 3), (4, 4)])
def test_windows_wholly_in_the_padding_give_zero(padding: tuple[int, int]) -> None:
    if direct.works():
        x, w = torch.full((2, 3, 4, 5), 100, dtype=torch.int8), torch.full((4, 3, 2, 1), 100, dtype=torch.int8)
        for _ in range(20):  # the operator leaves memory as it finds it there, which may be zeros by chance
            torch.full((1000,), 7.0)
            y = direct.convolve(x, w, 1.0, Geometry(padding=padding))
            assert torch.equal(y, torch.nn.functional.conv2d(x.float(), w.float(), padding=padding))


def test_a_scale_beyond_float32_gives_no_number_and_no_other_error() -> None:
    if direct.works():
        ones = torch.ones(1, 16, 4, 4, dtype=torch.int8)
        y = direct.convolve(ones, torch.ones(16, 16, 3, 3, dtype=torch.int8), 1e39)
        assert not y.isfinite().any()  # the layer then stops the run with its line: role, layer, step


def test_a_kernel_that_saturates_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def saturating(x: torch.Tensor, w: torch.Tensor, scale: float, geometry: Geometry):
        sums = torch.nn.functional.conv2d(x.double(), w.double(), None, *geometry[:3])
        return (sums.clamp(-(2**15), 2**15) * scale).float()

    monkeypatch.setattr(direct, "convolve", saturating)
    direct.works.cache_clear()
    try:
        assert not direct.works()
        assert not direct.pays((64, 8, 8, 8), (8, 8, 3, 3), (6, 6))
    finally:
        monkeypatch.undo()
        direct.works.cache_clear()


def test_sums_that_float32_cannot_hold() -> None:
    # 2,304 products of full-scale codes exceed 2^24: a float emulation would be off, these are not
    x, w = torch.full((1, 256, 3, 3), 127, dtype=torch.int8), torch.full((1, 256, 3, 3), 127, dtype=torch.int8)
    w[0, 0, 0, 0] = 126
    y = columns.conv2d(x, w)
    assert int(y) == 2304 * 127**2 - 127 > 2**24


def test_a_long_weight_gradient_does_not_wrap() -> None:
    x = torch.full((3, 1, 256, 256), -128, dtype=torch.int8)
    gradient = columns.conv2d_weight(x, x, (1, 1))
    assert gradient.dtype == torch.int64
    assert int(gradient) == 3 * 256**2 * 128**2 > 2**31


def test_convolution_refuses_what_does_not_fit() -> None:
    x = torch.zeros(1, 4, 5, 5, dtype=torch.int8)
    with pytest.raises(LbtError, match="accepted: int8 codes"):
        columns.conv2d(x.float(), x)
    with pytest.raises(LbtError, match=r"\(O, C / groups, KH, KW\)"):
        columns.conv2d(x, torch.zeros(4, 4, 3, 3, dtype=torch.int8), Geometry(groups=2))
    with pytest.raises(LbtError, match="does not fit"):
        Geometry().output((2, 2), (3, 3))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=20),
    st.floats(2.0**-31, 1.0),
    st.sampled_from([2, 4, 8, 12, 16]),
)
def test_requantize_to_nearest(totals: list[int], ratio: float, bits: int) -> None:
    m, shift = multiplier(ratio)
    assert abs(m / 2**shift / ratio - 1) <= 2**-31
    got = requantize(torch.tensor(totals), m, shift, bits=bits)
    top = 2 ** (bits - 1) - 1
    assert got.tolist() == [max(-top, min(top, nearest_even(t * m, shift))) for t in totals]
    assert got.dtype == (torch.int8 if bits <= 8 else torch.int16)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=20), st.integers(0, 50), st.integers(0, 1000))
def test_stochastic_shift_against_the_hash(values: list[int], shift: int, offset: int) -> None:
    key = Key(seed=3, step=4, layer="conv", role="E")
    x = torch.tensor(values)
    draws = random_bits(x, key, offset).tolist()
    expected = [(v + (d * 2**shift // 2**32 if shift <= 32 else d << (shift - 32))) >> shift
                for v, d in zip(values, draws, strict=True)]  # fmt: skip
    assert shift_stochastic(x, shift, key, offset).tolist() == expected


def test_stochastic_rounding_is_unbiased() -> None:
    for value in (1, 100, 255, -37, 2**19 + 3):
        mean = shift_stochastic(torch.full((200_000,), value), 8, Key(seed=value)).double().mean()
        assert abs(float(mean) - value / 256) < 5e-3


def test_a_part_of_a_batch_draws_the_same_numbers() -> None:
    key, whole = Key(seed=1), torch.zeros(6, 5, 4, 3, dtype=torch.int64)
    parts = torch.cat([random_bits(whole[:2], key), random_bits(whole[2:], key, offset=2 * 60)])
    assert torch.equal(random_bits(whole, key), parts)
    assert len(parts.unique()) == parts.numel()


@given(st.integers(0, 2**40), st.integers(2, 16))
def test_shift_for_is_the_smallest_that_fits(largest: int, bits: int) -> None:
    shift, top = shift_for(largest, bits), 2 ** (bits - 1) - 1
    assert nearest_even(largest, shift) <= top
    assert shift == 0 or nearest_even(largest, shift - 1) > top or largest + (1 << shift >> 2) >> shift - 1 > top


def test_requantize_refuses_overflow() -> None:
    with pytest.raises(LbtError, match="exceeds 62 bits"):
        requantize(torch.tensor([2**40]), 2**30, 30)
    with pytest.raises(LbtError, match="ratio of scales"):
        multiplier(0.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(-20, 10), st.sampled_from([0.0, 0.001]))
def test_update(seed: int, shift: int, decay: float) -> None:
    rng, rule, key = np.random.default_rng(seed), IntegerSGD(0.1, 0.9, decay, bits=20), Key(seed=seed % 97, role="U")
    w, v, g = (torch.from_numpy(rng.integers(-(2**18), 2**18, 30)) for _ in range(3))
    new_w, new_v = rule.step(w.int(), v.int(), g, shift, key)
    draws = random_bits(w, key).tolist()
    lr, mu, wd = round(0.1 * 2**15), round(0.9 * 2**15), round(decay * 2**15)
    for i in range(30):
        grad = int(g[i]) << shift if shift >= 0 else nearest_even(int(g[i]), -shift)
        velocity = nearest_even(int(v[i]) * mu, 15) + grad + nearest_even(int(w[i]) * wd, 15)
        weight = int(w[i]) - ((velocity * lr + (draws[i] >> 17)) >> 15)
        assert int(new_v[i]) == max(-(2**31) + 1, min(2**31 - 1, velocity))
        if abs(velocity) < 2**31:
            assert int(new_w[i]) == max(-(2**19) + 1, min(2**19 - 1, weight))
