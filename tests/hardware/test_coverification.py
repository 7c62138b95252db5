"""The simulated units give, bit for bit, what the integer engine computes in a training step of a convolution.

A small network trains on real digits in the engine; what goes into and comes out of its second convolution in one step
is recorded. The same codes then go through the RTL: the array (forward, error, weight gradient), the requantizer with
the counter hash, and the update unit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("amaranth")

from lbt.fixed.requantize import multiplier, requantize
from lbt.fixed.update import IntegerSGD
from lbt.hardware.rtl.requantize import Requantizer
from lbt.hardware.rtl.rounding import CounterHash
from lbt.hardware.rtl.update import FRACTION, LIFT, Update
from lbt.integer.layers import MASTER, Codes, Conv, Moment
from lbt.integer.network import IntegerNetwork
from lbt.numerics.rounding import Key

from ._simulate import matmul, run

BATCH, STEPS, SEED, LAYER = 1, 3, 5, "3"
BITS = 8
"""Width of what the convolution hands on (16 where the sums are small would shift nothing out)."""


@dataclass
class Step:
    """The trace of one step of one convolution in the engine: codes in, codes out, shifts, state before and after."""

    x: np.ndarray
    w: np.ndarray
    y: np.ndarray
    error: np.ndarray
    dx: np.ndarray
    gradient: np.ndarray
    shift_y: int
    shift_dx: int
    shift_update: int
    before: tuple[np.ndarray, np.ndarray]
    after: tuple[np.ndarray, np.ndarray]
    key: Key
    rule: IntegerSGD


def codes(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().to(torch.int64).numpy().copy()


class Recorder(Conv):
    """A convolution of the engine that notes what passes through it."""

    seen: dict[str, Any]

    def forward(self, x: Codes, at: Moment) -> Codes:
        assert self.out is not None
        self.seen = {"key": at.key, "shift_y": self.out.shift, "shift_dx": self.error.shift}
        y = super().forward(x, at)
        self.seen |= {"x": codes(x.codes), "w": codes(self.w.codes), "y": codes(y.codes)}
        return y

    def backward(self, error: Codes, at: Moment) -> Codes:
        dx = super().backward(error, at)
        self.seen |= {"error": codes(error.codes), "dx": codes(dx.codes)}
        return dx

    def finish(self, rule: IntegerSGD, key: Key, halvings: int) -> None:
        one = self.weight
        self.seen |= {"gradient": codes(one.gradient), "shift_update": one.exponent + MASTER - halvings}
        self.seen |= {"before": (codes(one.master), codes(one.velocity)), "rule": rule}
        super().finish(rule, key, halvings)
        self.seen["after"] = codes(one.master), codes(one.velocity)


@pytest.fixture(scope="module")
def step() -> Step:
    """The last of a few training steps of a small network on digits."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = (torch.from_numpy(data.images) * 127 / 16).to(torch.int8)[:, None]
    labels = torch.from_numpy(data.target).long()
    torch.manual_seed(SEED)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6 * 16, 10, bias=False),
    )  # fmt: skip
    network = IntegerNetwork(model, (1, 8, 8), IntegerSGD(lr=0.05, momentum=0.9), SEED)
    index = int(LAYER)
    recorder = Recorder(LAYER, model[index].weight, network.layers[index].geometry, bits=BITS)  # type: ignore[attr-defined,arg-type]
    network.layers[index] = recorder
    for number in range(STEPS):
        network.step(images[number * BATCH :][:BATCH], labels[number * BATCH :][:BATCH])
    return Step(**recorder.seen)


def columns(image: np.ndarray) -> np.ndarray:
    """(N, C, H, W) → (N·H·W, 9·C), zero-padded 3×3 windows."""
    n, channels, height, width = image.shape
    padded = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows = [padded[b, :, i : i + 3, j : j + 3].ravel() for b in range(n) for i in range(height) for j in range(width)]
    return np.array(rows).reshape(n * height * width, 9 * channels)


def random_numbers(key: Key, count: int) -> np.ndarray:
    """The counter hash of 0 … count − 1, from the RTL."""
    first, second = key.words()
    inputs = {"index": np.arange(count), "first": np.full(count, first), "second": np.full(count, second)}
    return run(CounterHash(), inputs, ["hash"], latency=3)["hash"]


def narrowed(total: np.ndarray, shift: int, bits: int, key: Key | None) -> np.ndarray:
    """Sums in channel-last order through the requantizer of a column's end: to nearest without a key."""
    n = total.size
    random = random_numbers(key, n) if key else np.zeros(n, np.int64)
    inputs = {"x": total.ravel(), "shift": np.full(n, shift), "random": random, "nearest": np.full(n, int(not key))}
    return run(Requantizer(32, bits, "shift_stochastic"), inputs, ["y"])["y"].reshape(total.shape)


def last(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) → (N·H·W, C)."""
    return x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1])


def test_the_recorded_step_is_not_trivial(step: Step) -> None:
    for name, distinct in (("x", 40), ("w", 80), ("y", 100), ("error", 40), ("dx", 40), ("gradient", 150)):
        assert len(np.unique(getattr(step, name))) > distinct, name
    assert min(step.shift_y, step.shift_dx) > 0
    assert np.count_nonzero(step.before[1]) > 150  # momentum from the steps before
    assert np.count_nonzero(step.after[0] - step.before[0]) > 150


def test_forward(step: Step) -> None:
    total = matmul(columns(step.x), step.w.reshape(6, -1).T)
    assert np.array_equal(narrowed(total, step.shift_y, BITS, None), last(step.y))


def test_error(step: Step) -> None:
    turned = step.w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3).reshape(4, -1)
    total = matmul(columns(step.error), turned.T)
    key = replace(step.key, layer=LAYER, role="E")
    got = narrowed(total, step.shift_dx, 8, key)
    assert np.array_equal(got, last(step.dx))
    assert (got != narrowed(total, step.shift_dx, 8, None)).mean() > 0.1  # the random numbers mattered


def test_weight_gradient_and_update(step: Step) -> None:
    gradient = matmul(columns(step.x).T, last(step.error)).T.reshape(step.gradient.shape)
    assert np.array_equal(gradient, step.gradient)
    # element indices run channel-last
    flat = {"w": step.before[0], "v": step.before[1], "g": gradient}
    inputs = {name: value.transpose(0, 2, 3, 1).ravel() for name, value in flat.items()}
    n = gradient.size
    drop, fixed = LIFT - step.shift_update, {"mu": step.rule.momentum, "eta": step.rule.lr}
    assert 0 <= drop < 79
    inputs |= {name: np.full(n, round(value * 2**FRACTION)) for name, value in fixed.items()}
    key = replace(step.key, layer=f"{LAYER}.weight", role="U")
    inputs |= {"drop": np.full(n, drop), "random": random_numbers(key, n)}
    got = run(Update(step.rule.bits, 32, 32), inputs, ["w_next", "v_next"], latency=2)
    for name, expected in zip(("w_next", "v_next"), step.after, strict=True):
        assert np.array_equal(got[name], expected.transpose(0, 2, 3, 1).ravel()), name


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_scales_that_are_no_power_of_two(step: Step, rounding: Any) -> None:
    """The engine's requantization by multiplier and shift, on the sums of the recorded forward product."""
    total = matmul(columns(step.x)[:32], step.w.reshape(6, -1).T)
    largest, key = int(np.abs(total).max()), Key(SEED, 1, LAYER, "A")
    m, shift = multiplier(127 / largest)
    m, shift = round(m / 2**15), shift - 15  # the unit's multiplier has 16 bits
    expected = requantize(torch.from_numpy(total), m, shift, rounding=rounding, key=key).numpy()
    n = total.size
    inputs = {"x": total.ravel(), "shift": np.full(n, shift), "multiplier": np.full(n, m)}
    inputs |= {"random": random_numbers(key, n), "nearest": np.full(n, int(rounding == "nearest"))}
    got = run(Requantizer(32, 8, "multiplier_stochastic"), inputs, ["y"], latency=2)["y"]
    assert np.array_equal(got, expected.ravel())
    assert len(np.unique(got)) > 60
