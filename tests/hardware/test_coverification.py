"""The simulated array gives, bit for bit, the three products of a convolution's training step."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("amaranth")

from amaranth.sim import Simulator

from lbt.hardware.rtl.mac import MacArray

SIDE = 4


def simulate(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x · y on the array, tile by tile, operands skewed by their row and column."""
    unit = MacArray(SIDE, SIDE, 8, 32, "booth")
    (m, k), n = x.shape, y.shape[1]
    result = np.zeros((-(-m // SIDE) * SIDE, -(-n // SIDE) * SIDE), np.int64)
    x = np.pad(x, ((0, -m % SIDE), (0, 0)))
    y = np.pad(y, ((0, 0), (0, -n % SIDE)))

    async def bench(context: Any) -> None:
        for r in range(0, result.shape[0], SIDE):
            for c in range(0, result.shape[1], SIDE):
                context.set(unit.clear, 1)
                for _ in range(2 * SIDE):  # flush what still moves through the cells
                    for i in range(SIDE):
                        context.set(unit.a[i], 0)
                        context.set(unit.b[i], 0)
                    await context.tick()
                context.set(unit.clear, 0)
                for t in range(k + 2 * SIDE - 2):
                    for i in range(SIDE):
                        inside = 0 <= t - i < k
                        context.set(unit.a[i], int(x[r + i, t - i]) if inside else 0)
                        context.set(unit.b[i], int(y[t - i, c + i]) if inside else 0)
                    await context.tick()
                for i in range(SIDE * SIDE):
                    result[r + i // SIDE, c + i % SIDE] = context.get(unit.totals[i])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        simulator = Simulator(unit)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
    return result[:m, :n]


def columns(image: np.ndarray) -> np.ndarray:
    """(C, H, W) → (H·W, 9·C), zero-padded 3×3 windows."""
    channels, height, width = image.shape
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    rows = [padded[:, i : i + 3, j : j + 3].ravel() for i in range(height) for j in range(width)]
    return np.array(rows).reshape(height * width, 9 * channels)


def test_forward_error_and_gradient_of_a_small_convolution() -> None:
    random = np.random.default_rng(11)
    image = random.integers(-127, 128, (2, 4, 4))
    weight = random.integers(-127, 128, (3, 2, 3, 3))
    error = random.integers(-127, 128, (3, 4, 4))
    # independent reference: loops over every position and tap, int64
    forward, back, gradient = np.zeros((3, 4, 4), int), np.zeros((2, 6, 6), int), np.zeros((3, 2, 3, 3), int)
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    for i in range(4):
        for j in range(4):
            window = padded[:, i : i + 3, j : j + 3]
            for o in range(3):
                forward[o, i, j] = (window * weight[o]).sum()
                back[:, i : i + 3, j : j + 3] += error[o, i, j] * weight[o]
                gradient[o] += error[o, i, j] * window
    got = simulate(columns(image), weight.reshape(3, 18).T)
    assert np.array_equal(got.T.reshape(3, 4, 4), forward)
    flipped = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3).reshape(2, 27)
    assert np.array_equal(simulate(columns(error), flipped.T).T.reshape(2, 4, 4), back[:, 1:5, 1:5])
    got = simulate(columns(image).T, error.reshape(3, 16).T)
    assert np.array_equal(got.T.reshape(3, 2, 3, 3), gradient)
