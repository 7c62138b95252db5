"""Published energies are reproduced, other widths lie between them and say so."""

from __future__ import annotations

import pytest

from lbt.hardware import energy
from lbt.hardware.precision import FLOAT32, Number


def test_the_figures_own_numbers() -> None:
    int8, int32, fp16 = Number.integer(8), Number.integer(32), Number.floating(5, 10)
    assert energy.add(int8) == energy.Energy(0.03)
    assert energy.add(int32) == energy.Energy(0.1)
    assert energy.multiply(int8, int8) == energy.Energy(0.2)
    assert energy.multiply(int32, int32) == energy.Energy(3.1)
    assert (energy.add(fp16), energy.multiply(fp16, fp16)) == (energy.Energy(0.4), energy.Energy(1.1))
    assert (energy.add(FLOAT32), energy.multiply(FLOAT32, FLOAT32)) == (energy.Energy(0.9), energy.Energy(3.7))
    assert energy.mac(int8, int8, 32).pj == pytest.approx(0.3)
    assert energy.sram(8, 32 * 1024) == energy.Energy(20)
    assert energy.dram(8).pj == 1300


def test_other_widths_are_between_and_marked() -> None:
    sixteen = energy.multiply(Number.integer(16), Number.integer(16))
    assert 0.2 < sixteen.pj < 3.1
    assert sixteen.interpolated
    mixed = energy.multiply(Number.integer(8), Number.integer(4))
    assert energy.multiply(Number.integer(4), Number.integer(4)).pj < mixed.pj < 0.2
    assert 20 < energy.sram(8, 128 * 1024).pj < 100
    assert energy.multiply(Number.floating(8, 7), Number.floating(8, 7)).pj < 1.1
    assert energy.mac(Number.floating(8, 7), Number.integer(8), 32).interpolated
