"""The integer batch norm, bit for bit against Python's unbounded integers, and against batch norm in float."""

from __future__ import annotations

import copy
from math import isqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lbt.errors import LbtError
from lbt.fixed import batch_norm as fixed
from lbt.fixed.arithmetic import (
    divide_round,
    inverse_square_root,
    log2_floor,
    shift_exact,
    shift_round,
    square_root,
)
from lbt.nn.norms.integer_bn import IntegerBN, to_codes


def nearest_even(x: int, shift: int) -> int:
    """x / 2^shift rounded to nearest, ties to even, in unbounded integers."""
    low, rest = divmod(x, 1 << shift)
    return low + (2 * rest > (1 << shift) or (2 * rest == (1 << shift) and low % 2 == 1))


def half_up(x: int, n: int) -> int:
    return (2 * x + n) // (2 * n)


def reciprocal_root(v: int) -> tuple[int, int]:
    h = (v.bit_length() - 1 - 28) // 2
    normal = v >> 2 * h if h >= 0 else v << -2 * h
    root = isqrt(normal << 16)
    return ((1 << 37) + root // 2) // root, h


def clip(x: int) -> int:
    return max(-32767, min(32767, x))


class Reference:
    """One channel of the layer on lists of Python integers."""

    def __init__(self, codes: list[int], gamma: int, beta: int, epsilon: int) -> None:
        self.n, self.gamma = len(codes), gamma
        self.mean = half_up(sum(codes) * 256, self.n)
        self.variance = max(0, half_up(sum(q * q for q in codes) * 65536, self.n) - self.mean**2)
        self.mantissa, self.h = reciprocal_root(self.variance + epsilon)
        self.normal = [clip(nearest_even((256 * q - self.mean) * self.mantissa, 18 + self.h)) for q in codes]
        self.y = [nearest_even(gamma * v, 11) + beta for v in self.normal]

    def error(self, dy: list[int], steepest: int, batch: bool) -> list[int]:
        k1 = half_up(sum(dy) * 256, self.n) if batch else 0
        k2 = half_up(sum(d * v for d, v in zip(dy, self.normal, strict=True)), self.n) if batch else 0
        t = [256 * d - k1 - nearest_even(v * k2, 14) for d, v in zip(dy, self.normal, strict=True)]
        return [nearest_even(v * self.gamma * self.mantissa, 30 + self.h - steepest) for v in t]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 40),
    st.integers(1, 4),
    st.sampled_from([1, 7, 127, 3000, 32767]),
    st.integers(1, 2**20),
    st.booleans(),
)
def test_bit_exact_forward_and_error(seed: int, n: int, c: int, top: int, epsilon: int, batch: bool) -> None:
    rng = np.random.default_rng(seed)
    codes, dy = rng.integers(-top, top + 1, (n, c)), rng.integers(-top, top + 1, (n, c))
    gamma, beta = rng.integers(-32767, 32768, c), rng.integers(-32767, 32768, c)
    reference = [Reference(codes[:, i].tolist(), int(gamma[i]), int(beta[i]), epsilon) for i in range(c)]

    q, d, g, b = (torch.from_numpy(v) for v in (codes, dy, gamma, beta))
    measured = fixed.moments(*fixed.channel_sums(q, q), n)
    assert measured.mean.tolist() == [r.mean for r in reference]
    assert measured.variance.tolist() == [r.variance for r in reference]
    scale = fixed.scale_of(measured.variance, epsilon)
    normal = fixed.normalize(q, measured.mean, scale)
    assert normal.T.tolist() == [r.normal for r in reference]
    assert fixed.affine(normal, g, b).T.tolist() == [r.y for r in reference]

    sums = (*fixed.channel_sums(d, normal), n) if batch else None
    dx, exponent = fixed.error(d, g, scale, normal, sums)
    steepest = min(r.h for r in reference)
    expected = [r.error(dy[:, i].tolist(), steepest, batch) for i, r in enumerate(reference)]
    assert dx.T.tolist() == expected
    assert int(exponent) == 30 - 12 - 29 - steepest


@settings(max_examples=200, deadline=None)
@given(st.integers(-(2**61), 2**61), st.integers(0, 62), st.integers(1, 2**24))
def test_rounding_shift_and_division(x: int, shift: int, n: int) -> None:
    tensor = torch.tensor([x])
    assert shift_round(tensor, shift).item() == nearest_even(x, shift)
    assert shift_round(tensor, torch.tensor([shift])).item() == nearest_even(x, shift)
    assert divide_round(tensor, n).item() == half_up(x, n)
    small = torch.tensor([x >> 40])
    assert shift_exact(small, shift % 20).item() == (x >> 40) << shift % 20
    assert shift_exact(small, torch.tensor([-shift])).item() == nearest_even(x >> 40, shift)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 2**52 - 1))
def test_root_and_reciprocal_root(v: int) -> None:
    tensor = torch.tensor([v])
    assert square_root(tensor).item() == isqrt(v)
    assert log2_floor(tensor).item() == v.bit_length() - 1
    mantissa, h = inverse_square_root(tensor)
    assert (mantissa.item(), h.item()) == reciprocal_root(v)
    assert 2**14 <= mantissa.item() <= 2**15
    assert abs(mantissa.item() * 2.0 ** (-29 - h.item()) * v**0.5 - 1) < 2**-14


def test_roots_of_squares_and_their_neighbours() -> None:
    roots = torch.arange(1, 2**26, 999_983)
    for offset in (-1, 0, 1):
        v = roots * roots + offset
        assert square_root(v).tolist() == [isqrt(x) for x in v.tolist()]


def test_gradients_are_near_those_of_batch_norm() -> None:
    bn = nn.BatchNorm2d(6)
    with torch.no_grad():
        bn.weight.copy_(torch.linspace(0.3, 2, 6))
    layer = IntegerBN.from_batch_norm(copy.deepcopy(bn))
    g = torch.Generator().manual_seed(0)
    base = torch.randn(16, 6, 9, 9, generator=g) * torch.linspace(0.2, 3, 6).view(1, 6, 1, 1)
    dy = torch.randn(16, 6, 9, 9, generator=g) * 1e-4
    x, z = base.clone().requires_grad_(), base.clone().requires_grad_()
    y, expected = layer(x), bn(z)
    torch.testing.assert_close(y, expected, atol=4e-3, rtol=0)
    y.backward(dy)
    expected.backward(dy)
    assert (x.grad - z.grad).norm() / z.grad.norm() < 2e-3
    torch.testing.assert_close(layer.weight.grad, bn.weight.grad, atol=0, rtol=5e-3)
    torch.testing.assert_close(layer.bias.grad, bn.bias.grad, atol=1e-6, rtol=1e-3)  # 1296 roundings


def test_the_output_lies_on_the_fixed_point_grid() -> None:
    y = IntegerBN(4)(torch.randn(8, 4, 5, 5, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(y * 2**fixed.AFFINE, (y * 2**fixed.AFFINE).round())
    assert len(y.unique()) > 100


def test_codes_on_a_power_of_two_grid_pass_unchanged() -> None:
    codes = torch.arange(-127, 128)
    for exponent in (-20, -3, 0, 5):
        got, unit = to_codes(torch.ldexp(codes.float(), torch.tensor(exponent)), "layer")
        assert torch.equal(got, codes << (exponent - unit))


def test_the_same_bits_for_any_order_of_the_batch() -> None:
    x = torch.randn(32, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(32, generator=torch.Generator().manual_seed(1))
    a, b = IntegerBN(4), IntegerBN(4)
    assert torch.equal(a(x)[order], b(x[order]))
    assert torch.equal(a.running_var, b.running_var)
    assert torch.equal(a.running_mean, b.running_mean)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_named(value: float) -> None:
    x = torch.zeros(2, 3, 4, 4)
    x[0, 1, 2, 3] = value
    with pytest.raises(LbtError, match=r"IntegerBN\(3\): its input holds NaN or infinity"):
        IntegerBN(3)(x)


def test_too_large_an_input_is_refused() -> None:
    with pytest.raises(LbtError, match=r"accepted: < 2\^29"):
        IntegerBN(3)(torch.full((2, 3, 4, 4), 1e9))


def test_momentum_must_be_a_power_of_two_at_heart() -> None:
    with pytest.raises(LbtError, match="momentum: found None"):
        IntegerBN(3, momentum=None)
    assert IntegerBN(3, momentum=0.1).shift == 3
