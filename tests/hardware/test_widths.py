"""Widths of sums follow from the network, and hold it at the extremes."""

from __future__ import annotations

import pytest
from torch import nn

import lbt
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Precision
from lbt.hardware.widths import norm_sum


def network(channels: int = 8, wide: int = 16) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide), nn.ReLU(), nn.Flatten(),
        nn.Linear(wide * 64, 10, bias=False),
    )  # fmt: skip


def bits(precision: str, **options: object) -> int:
    found = lbt.cost(network(), (8, 8, 8), recipe=Precision.uniform(precision), **options)
    return found.accelerator.accumulator


@pytest.mark.parametrize(("width", "expected"), [(2, 16), (4, 19), (8, 27), (12, 35), (16, 43)])
def test_an_accumulator_holds_the_longest_sum(width: int, expected: int) -> None:
    """Weight gradient of the convolution: 32 images of 8 × 8 pixels, 2^11 products of 2·width bits; 16 at least."""
    assert bits(f"int{width}") == expected
    low, k = -(2 ** (width - 1)), 32 * 64
    assert k * low * low <= 2 ** (max(expected, 2 * width + 11) - 1)


def test_a_batch_or_a_layer_s_length_decides() -> None:
    assert bits("int8", batch=1) == 16 + 10  # the linear layer's 16 · 64 inputs
    assert bits("int8", batch=1, training=False) == 16 + 10
    assert bits("int8", batch=1024) == 16 + 16


def test_operands_of_different_width() -> None:
    """`wageubn`: 16-bit errors with 8-bit activations, and float first and last layers."""
    model = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.Conv2d(16, 4, 1))
    found = lbt.cost(model, (8, 8, 8), recipe="wageubn")
    assert found.accelerator.accumulator == 16 + 8 + 11


def test_floats_are_summed_in_float32() -> None:
    assert bits("fp32") == bits("bf16") == 32


def test_an_accumulator_that_was_asked_for_is_taken_and_told_to_wrap() -> None:
    narrow = HardwareParams(accumulator=20)
    found = lbt.cost(network(), (8, 8, 8), recipe="int8", options=narrow)
    assert found.accelerator.accumulator == 20
    assert "sums of 20 bits (they may wrap: the longest needs 27)" in str(found)
    assert "wrap" not in str(lbt.cost(network(), (8, 8, 8), recipe="int8"))


def test_wider_sums_cost_more() -> None:
    options = [HardwareParams(accumulator=c, style="booth") for c in (24, 32, 40)]
    lut = [lbt.cost(network(), (8, 8, 8), recipe="int8", options=one).accelerator.mac.lut for one in options]
    assert lut[1] - lut[0] == lut[2] - lut[1] == 8


def test_a_norm_s_sums() -> None:
    assert norm_sum(8, 2**16) == 32
    assert norm_sum(16, 2**24) == 56
    assert norm_sum(16, 2) == 33  # −32768 twice
