"""Pooling and biases of the integer network, against plain Python integers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lbt.integer.layers import MASTER, Codes, Conv, Moment
from lbt.integer.pooling import AvgPool, MaxPool
from lbt.kernels.geometry import Geometry
from lbt.numerics.rounding import Key

CALIBRATE = Moment(Key(), calibrating=True)


def codes(seed: int, *shape: int, low: int = -127) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(low, 128, shape).astype(np.int8))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 4), st.integers(1, 3)),
    st.tuples(st.integers(0, 1), st.integers(0, 1)),
    st.tuples(st.integers(3, 7), st.integers(3, 7)),
)
def test_maximum(seed: int, window: tuple, stride: tuple, padding: tuple, size: tuple) -> None:
    padding = tuple(min(padding[i], window[i] // 2) for i in (0, 1))
    # few distinct codes, so that there are ties
    x = codes(seed, 2, 3, *size) // 40
    pool = MaxPool("pool", window, stride, padding)
    y = pool.forward(Codes(x, -3), CALIBRATE)
    assert y.exponent == -3
    assert y.codes.shape[2:] == pool.output(size)
    e = codes(seed + 1, *y.codes.shape)
    expected, dx = np.zeros(y.codes.shape, np.int64), np.zeros(x.shape, np.int64)
    for n, c, i, j in np.ndindex(*y.codes.shape):
        best = None
        for a, b in np.ndindex(*window):
            row, column = i * stride[0] + a - padding[0], j * stride[1] + b - padding[1]
            if 0 <= row < size[0] and 0 <= column < size[1]:
                value = int(x[n, c, row, column])
                if best is None or value > best[0]:
                    best = (value, row, column)
        assert best is not None
        expected[n, c, i, j] = best[0]
        dx[n, c, best[1], best[2]] += int(e[n, c, i, j])
    assert np.array_equal(y.codes.numpy(), expected)
    error = pool.backward(Codes(e, -5), CALIBRATE)
    shift = error.exponent + 5
    assert (shift > 0) <= (np.abs(dx).max() > 127)
    assert np.abs(error.codes.numpy().astype(np.int64) - dx / 2**shift).max() < 1
    if shift == 0:
        assert np.array_equal(error.codes.numpy(), dx)
    assert error.codes.dtype == torch.int8


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_average(seed: int, window: tuple[int, int]) -> None:
    x = codes(seed, 2, 3, window[0] * 2, window[1] * 3)
    pool, count = AvgPool("pool", window), window[0] * window[1]
    y = pool.forward(Codes(x, -7), CALIBRATE)
    sums = x.numpy().astype(np.int64).reshape(2, 3, 2, window[0], 3, window[1]).sum((3, 5))
    unit = 2.0 ** (y.exponent + 7)
    # rounded to 8 fraction bits where the window is no power of two, and once more to 8 bits
    assert np.abs(y.codes.numpy() * unit - sums / count).max() <= unit / 2 + (0 if count & count - 1 == 0 else 2**-9)
    assert np.abs(y.codes.numpy()).max() >= 63 or not sums.any()
    e = codes(seed + 1, *y.codes.shape)
    error = pool.backward(Codes(e, -4), CALIBRATE)
    spread = np.repeat(np.repeat(e.numpy().astype(np.int64), window[0], 2), window[1], 3)
    unit = 2.0 ** (error.exponent + 4)
    assert np.abs(error.codes.numpy() * unit - spread / count).max() <= (unit + 2**-9 if count & count - 1 else 0)


@pytest.mark.parametrize("exponent", [-7, -1, -20])
def test_bias(exponent: int) -> None:
    weight, bias = torch.randn(5, 3, 3, 3), torch.randn(5)
    with_bias, without = (Conv("c", weight, Geometry(), b, bits=None) for b in (bias, None))
    x = Codes(codes(0, 4, 3, 6, 6), exponent)
    y, plain = with_bias.forward(x, CALIBRATE), without.forward(x, CALIBRATE)
    assert y.exponent == plain.exponent
    added = (y.codes - plain.codes).double() * 2.0**y.exponent
    stored = with_bias.bias.master.double() / 2**MASTER
    assert (added - stored.view(1, -1, 1, 1)).abs().max() <= max(2.0 ** (y.exponent - 1), 0)
    error = Codes(codes(1, *y.codes.shape), -9)
    with_bias.backward(error, CALIBRATE)
    assert torch.equal(with_bias.bias.gradient, error.codes.long().sum((0, 2, 3)))
    assert with_bias.bias.exponent == -9
