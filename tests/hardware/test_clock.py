"""Clocks: delays added up by hand, paths found by walking every path, a published routed path, and the answer."""

from __future__ import annotations

import random
from math import ceil
from typing import Any

import pytest
from torch import nn

import lbt
from lbt.errors import LbtError
from lbt.hardware import clock
from lbt.hardware.boards import Board
from lbt.hardware.clock import closed, over_placed, pace, placed, remark, speed
from lbt.hardware.delays import DELAYS, Path, Stage
from lbt.hardware.fmax.paths import rows_of, slowest
from lbt.hardware.params import HardwareParams
from lbt.hardware.rtl.grid import Unit
from lbt.hardware.units import Area, area, library

Cell = dict[str, Any]


def cost(board: str | Board = "zcu102", **options: object) -> lbt.hardware.estimate.Cost:
    network = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3))
    return lbt.cost(network, (3, 16, 16), board=board, batch=8, options=HardwareParams(**options))


# ------------------------------------------------------------------------------------------------------------- delays


def test_delays_add_up_as_by_hand() -> None:
    one = Path(nets=2, luts=1, muxes=1, chains=1, carries=3, blocks=1, captures=1)
    assert one.depth == 7
    assert DELAYS["xc7"].period(one) == pytest.approx(0.518 + 1.0 + 0.124 + 0.296 + 0.754 + 0.342 + 2.823 + 1.416)
    assert DELAYS["ecp5"].period(Path()) == 0.525


def test_an_adder_takes_what_flopoco_says() -> None:
    """FloPoCo's ``Zynq7000::adderDelay(32)``: constant + (32/4 - 1) · carry4, and a local route in front."""
    flopoco = 0.532 + 0.222 + (32 / 4 - 1) * 0.114 + 0.5
    adder = Path(nets=1, chains=1, carries=7)
    assert DELAYS["xc7"].period(adder) - DELAYS["xc7"].register == pytest.approx(flopoco)


def test_a_routed_path_of_ultrascale_is_met_within_a_sixth() -> None:
    """A routed report of Vivado 2021.2 for a xczu3eg (-1), github.com/gussmith23/lakeroad-evaluation, ``if.futil``:
    FDRE, LUT4, LUT6, four CARRY8, LUT6, FDRE in 1.625 ns.
    """
    carries = 2 * 3  # each CARRY8 behind the first counts as two cells of four bits
    assert DELAYS["xcup"].period(Path(nets=3, luts=3, chains=1, carries=carries)) == pytest.approx(1.625, rel=1 / 6)


def test_closed_paths_are_as_deep_as_synthesis_says() -> None:
    """The library's depth is the longest path in cells, of the product or of the accumulator."""
    found = [(u, row) for u, row in library().items() if u.style == "booth" and u.kind in ("multiplier", "mac")]
    assert len(found) >= 15
    for unit, row in found:
        product = closed(Unit("multiplier", "booth", unit.target, unit.a, unit.b))
        assert product is not None
        bits = 2 if unit.target == "ecp5" else 4
        accumulator = ceil(unit.c / bits) + (unit.target != "ecp5") if unit.kind == "mac" else 0
        assert max(product.depth, accumulator) == row["depth"], unit.name


def test_closed_paths_are_those_of_netlists() -> None:
    found = {unit: path for unit, path in clock.paths().items() if closed(unit) is not None}
    assert found
    for unit, path in found.items():
        assert closed(unit) == path, unit.name


def test_depths_of_others_tell_a_clock_within_a_factor_of_one_and_a_half() -> None:
    ratios = clock.left_out()
    assert any(name.startswith("update") for name in ratios)
    assert all(2 / 3 < ratio < 3 / 2 for ratio in ratios.values()), ratios


# --------------------------------------------------------------------------------------------------- paths of netlists


def cell(kind: str, inputs: dict[str, list[int]], outputs: dict[str, list[int]], **parameters: str) -> Cell:
    directions = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    return {
        "type": kind, "parameters": parameters, "port_directions": directions, "connections": {**inputs, **outputs}
    }  # fmt: skip


def module(*cells: Cell, outputs: tuple[int, ...] = ()) -> dict[str, Any]:
    return {
        "cells": {str(i): one for i, one in enumerate(cells)},
        "ports": {"out": {"direction": "output", "bits": list(outputs)}},
    }


def test_a_path_through_two_carry_cells() -> None:
    """Register → LUT → S of a carry cell → next carry cell → its second sum → register: one routed net."""
    cells = (
        cell("FDRE", {"C": [1], "D": [30], "CE": ["1"], "R": ["0"]}, {"Q": [2]}),  # type: ignore[dict-item]
        cell("LUT2", {"I0": [2], "I1": [3]}, {"O": [4]}),
        cell("CARRY4", {"CI": ["0"], "DI": [3], "S": [4]}, {"CO": [5, 6, 7, 8], "O": [9, 10, 11, 12]}),  # type: ignore[dict-item]
        cell("CARRY4", {"CI": [8], "DI": [3, 3], "S": [3, 3]}, {"CO": [13], "O": [14, 30]}),
    )
    assert slowest(module(*cells), "xc7") == Path(nets=1, luts=1, chains=1, carries=1)


def test_a_clock_enable_is_routed_and_a_sum_beside_it_is_not() -> None:
    lut = cell("LUT1", {"I0": [2]}, {"O": [3]})
    data = cell("FDRE", {"C": [1], "D": [3]}, {"Q": [4]})
    enable = cell("FDRE", {"C": [1], "CE": [3], "D": [2]}, {"Q": [4]})
    assert slowest(module(lut, data), "xc7") == Path(nets=1, luts=1)
    assert slowest(module(lut, enable), "xc7") == Path(nets=2, luts=1)


def test_a_carry_goes_upwards_only() -> None:
    """On ECP5 the lower sum does not wait for the upper operands."""
    late = cell("LUT1", {"I0": [2]}, {"O": [3]})
    carry = cell("CCU2C", {"CIN": ["0"], "A0": [2], "A1": [3]}, {"S0": [4], "S1": [5], "COUT": [6]})  # type: ignore[dict-item]
    low = cell("TRELLIS_FF", {"CLK": [1], "DI": [4]}, {"Q": [7]})
    high = cell("TRELLIS_FF", {"CLK": [1], "DI": [5]}, {"Q": [8]})
    assert slowest(module(carry, low), "ecp5") == Path(nets=1, chains=1)
    assert slowest(module(late, carry, low, high), "ecp5") == Path(nets=2, luts=1, chains=1)


def test_dsp_blocks_with_and_without_registers() -> None:
    ports = {"A": [2], "B": [3], "CLK": [1]}
    for registers, wanted in (
        ({"MREG": "1", "PREG": "1"}, Path(nets=1, captures=1)),
        ({"PREG": "1"}, Path(nets=1, blocks=1)),
        ({}, Path(nets=2, blocks=1)),
    ):
        block = cell("DSP48E1", ports, {"P": [4]}, **registers)
        after = cell("FDRE", {"C": [1], "D": [4]}, {"Q": [5]})
        found = slowest(module(block, after), "xc7")
        assert found == wanted or DELAYS["xc7"].period(found) == DELAYS["xc7"].period(wanted)


def test_an_unknown_cell_is_refused() -> None:
    with pytest.raises(LbtError, match="found a cell RAMB18E1"):
        slowest(module(cell("RAMB18E1", {"A": [1]}, {"Q": [2]})), "xc7")


@pytest.mark.parametrize("seed", range(5))
def test_the_slowest_of_all_paths_of_random_logic_is_found(seed: int) -> None:
    draw = random.Random(seed)
    luts = {bit: draw.sample(range(bit), k=min(bit, draw.randint(1, 4))) for bit in range(4, 18)}
    kinds = {bit: draw.choice(("LUT", "LUT", "MUXF7")) for bit in luts}
    cells = [
        cell("LUT6", {f"I{i}": [b] for i, b in enumerate(inputs)}, {"O": [bit]}) if kinds[bit] == "LUT"
        else cell("MUXF7", {port: [b] for port, b in zip(("I0", "I1", "S"), inputs, strict=False)}, {"O": [bit]})
        for bit, inputs in luts.items()
    ]  # fmt: skip

    def walk(bit: int) -> list[float]:
        """Delays of every path to a bit, one by one."""
        if bit not in luts:
            return [0.518]
        found = []
        for position, source in enumerate(luts[bit][:3] if kinds[bit] == "MUXF7" else luts[bit]):
            local = kinds[bit] == "MUXF7" and position < 2 and source in luts
            step = (0.296 if kinds[bit] == "MUXF7" else 0.124) + (0 if local else 0.5)
            found += [before + step for before in walk(source)]
        return found

    longest = max(delay for bit in luts for delay in walk(bit))
    assert DELAYS["xc7"].period(slowest(module(*cells, outputs=tuple(luts)), "xc7")) == pytest.approx(longest)


@pytest.mark.slow
def test_a_shipped_path_is_that_of_a_new_synthesis(tmp_path: Any) -> None:
    from lbt.hardware.fmax.paths import netlist_of

    unit = Unit("mac", "plain", "xc7", 4, 4, 32)
    for row in rows_of(unit, netlist_of(unit, tmp_path)):
        known = clock.paths()[Unit("mac", "plain", row["target"], 4, 4, 32)]
        assert all(getattr(known, name) == row[name] for name in ("nets", "luts", "chains", "carries"))


# ------------------------------------------------------------------------------------------------------------- clocks


def test_the_clock_of_a_booth_mac_by_hand() -> None:
    """8 × 8: four rows of a net, a LUT and a chain, three steps to the next row, three cells in the last one."""
    period = 0.518 + 4 * (0.5 + 0.124 + 0.754) + (3 + 2) * 0.114
    assert speed(Unit("mac", "booth", "xc7", 8, 8, 32), "xc7").mhz == pytest.approx(1e3 / period)
    assert speed(Unit("mac", "dsp", "xcup", 8, 8, 32), "xcup").mhz == pytest.approx(1e3 / (0.15 + 2 * 0.18 + 1.941))


def test_a_wider_unit_is_no_faster() -> None:
    for style in ("booth", "plain"):
        clocks = [speed(Unit("mac", style, "xc7", k, k, 32), "xc7").mhz for k in (2, 4, 8, 12, 16)]
        assert clocks == sorted(clocks, key=lambda mhz: -(mhz or 0))


def test_another_width_follows_in_proportion_to_the_depth() -> None:
    """Of units with a path of their own, from the nearest other width."""
    one, other = (Unit("mac", "plain", "xc7", k, k, 32) for k in (8, 7))
    known = clock.paths()[one]
    deep, shallow = (library()[Unit("multiplier", "plain", "xc7", k, k)]["depth"] for k in (8, 7))
    assert speed(one, "xc7").origin == "path"
    assert speed(other, "xc7").origin == "depth"
    logic = DELAYS["xc7"].period(known) - 0.518
    assert speed(other, "xc7").mhz == pytest.approx(1e3 / (0.518 + logic * shallow / deep))


def test_unknown_depths_stay_unknown_in_a_sum() -> None:
    known, unknown = Area(1, depth=4), Area(1, depth=None)
    assert (known + Area(1, depth=7)).depth == 7
    assert (known + unknown).depth is None
    assert (unknown * 3).depth is None
    assert area(Unit("float_multiplier", "plain", "xc7", 6, 11)).depth is None


def test_a_unit_that_none_contains_has_no_clock_and_is_named() -> None:
    wide = Unit("update", "booth", "xc7", 24, 16, 32)
    assert speed(wide, "xc7").mhz is None
    found = pace((wide, Unit("mac", "booth", "xc7", 8, 8, 32), Stage("something")), "xc7")
    assert found.unknown == (wide.name, "something")
    assert found.slowest == "mac-booth-xc7-8-8-32"
    assert pace((), "xc7").mhz is None


def test_a_contained_unit_is_bounded_by_what_contains_it() -> None:
    inner, outer = Unit("requantize", "shift", "xc7", 30, 7), Unit("requantize", "shift", "xc7", 32, 8)
    assert speed(inner, "xc7").origin == "enclosed"
    assert speed(inner, "xc7").mhz == speed(outer, "xc7").mhz


def test_the_slowest_unit_bounds_the_clock() -> None:
    found = cost(clock=None)
    a = found.accelerator
    assert a.pace.mhz == min(one.mhz for one in a.pace.known if one.mhz)
    assert a.clock == a.pace.mhz < found.board.clock
    assert f"limited by {a.pace.slowest} (estimate: {remark()}; stated: 300)" in str(found)
    assert found.metrics()["clock_unit"] == a.pace.slowest
    assert found.seconds == pytest.approx(found.cycles / (a.clock * 1e6))


def test_a_board_that_is_slower_than_the_units_keeps_its_clock() -> None:
    found = cost(Board.load("zcu102").model_copy(update={"clock": 20.0}))
    assert found.accelerator.clock == 20
    assert "clock 20 MHz, stated; its units reach" in str(found)


def test_a_clock_that_is_asked_for_is_taken() -> None:
    found = cost(clock=250.0)
    assert found.accelerator.clock == 250
    assert f"clock 250 MHz, asked for; {found.accelerator.pace.slowest} reaches" in str(found)
    assert cost(clock=250.0).images_per_second > cost().images_per_second


def test_a_cell_without_an_estimate_is_named_in_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    known = clock.speed

    def without_random(part: Unit | Stage, target: str) -> clock.Speed:
        return clock.Speed(part.name, None, "unknown") if part.name.startswith("random") else known(part, target)

    monkeypatch.setattr(clock, "speed", without_random)
    assert "; unknown: random-lfsr-xcup-32-0-0" in str(cost())


def test_flip_flops_are_told() -> None:
    found = cost()
    assert found.metrics()["ff"] == round(found.accelerator.total.ff) > 0
    assert f"{found.metrics()['ff']:,} FF" in str(found)


# ------------------------------------------------------------------------------------------------------------- placed


def test_placed_units_are_within_a_factor_of_the_estimate() -> None:
    ratios = over_placed()
    assert set(ratios) == {unit.name for unit in placed()}
    assert all(0.5 < ratio < 2 for ratio in ratios.values()), ratios
    assert f"{len(ratios)} units on ECP5" in remark()
