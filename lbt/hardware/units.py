"""Area of the accelerator's units: from the synthesised library, exact closed forms, or fitted forms, in that order.

Closed forms, for 6-input LUTs with a carry chain (targets xc7 and xcup), equal to synthesis on every width that was
tried:

    Booth multiplier   ⌈b/2⌉·(a + 1) + 1 − (b mod 2) LUT        a, b ≥ 2; b is recoded
    Booth MAC          that + c + 1 LUT                           c accumulator bits ≥ a + b; one for clear or reset
    in a DSP block     1 LUT for a MAC (xc7, which accumulates in the block), c + 1 LUT (xcup), none for a multiplier
                       (whose register is in the block on xc7, and a + b flip-flops on xcup)

Plain multipliers of 2 to 16 bits are all in the library, the wider operand first; the other order is within 2 LUTs. A
plain MAC is its multiplier + c + 1 too, within one percent. Fitted forms are linear in a few terms that follow from
the unit's structure (:mod:`lbt.hardware.forms`); what comes out of them is marked ``fitted``. A unit with DSP blocks
takes the smallest synthesised one that contains it, marked ``enclosed``. UltraScale+ has the LUTs of the 7-series: a
unit that was synthesised for those only is taken from there, with half as many carry cells (CARRY8 for CARRY4), marked
``sibling``. On the LUT4 target, of which the library has few units, a line over the 7-series' LUTs serves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from lbt.errors import LbtError
from lbt.hardware import forms
from lbt.hardware.delays import Stage
from lbt.hardware.rtl.grid import FITTED, Unit

LIBRARY = Path(__file__).with_name("units.parquet")
"""The shipped library; remade by :func:`lbt.hardware.rtl.synthesis.run_synthesis`."""


@dataclass(frozen=True)
class Area:
    """Resources of a unit.

    Attributes:
        lut, ff, carry, dsp: LUTs, flip-flops, carry cells, DSP blocks.
        depth: cells on the longest path; None where it is unknown, and in a sum with such a part.
        origin: one of :data:`ORIGINS`; a sum has the least certain of its parts.
        parts: the units, each once, for the clock (:mod:`lbt.hardware.clock`).
    """

    lut: float = 0
    ff: float = 0
    carry: float = 0
    dsp: float = 0
    depth: int | None = 0
    origin: str = "synthesis"
    parts: tuple[Unit | Stage, ...] = ()

    def __add__(self, other: Area) -> Area:
        origin = max(self.origin, other.origin, key=ORIGINS.index)
        depth = None if self.depth is None or other.depth is None else max(self.depth, other.depth)
        parts = tuple(dict.fromkeys(self.parts + other.parts))
        lut, ff, carry, dsp = self.lut + other.lut, self.ff + other.ff, self.carry + other.carry, self.dsp + other.dsp
        return Area(lut, ff, carry, dsp, depth, origin, parts)

    def __mul__(self, count: float) -> Area:
        counts = (self.lut * count, self.ff * count, self.carry * count, self.dsp * count)
        return Area(*counts, self.depth, self.origin, self.parts)


ORIGINS = ("synthesis", "closed", "sibling", "enclosed", "fitted")
"""From certain to less certain."""


def area(unit: Unit) -> Area:
    """Resources of ``unit``.

    Raises:
        LbtError: a width so far outside the library that no form may be trusted, or a style without a form.
    """
    if unit.kind == "multiplier" and unit.style == "plain" and unit.a < unit.b:
        unit = replace(unit, a=unit.b, b=unit.a)
    return replace(_area(unit), parts=(unit,))


def _area(unit: Unit) -> Area:
    row = library().get(unit)
    if row is not None:
        return Area(row["lut"], row["ff"], row["carry"], row["dsp"], row["depth"])
    sibling = library().get(replace(unit, target="xc7")) if unit.target == "xcup" and unit.style != "dsp" else None
    if sibling is not None:
        return Area(sibling["lut"], sibling["ff"], sibling["carry"] / 2, 0, sibling["depth"], "sibling")
    if unit.kind == "mac" and unit.style in ("plain", "booth") and unit.target != "ecp5":
        return _mac(unit)
    closed = closed_form(unit)
    if closed is not None:
        return Area(closed, unit.a + unit.b, _fitted(unit, "carry"), 0, None, "closed")
    if unit.style == "dsp":
        return _with_blocks(unit)
    if unit.target == "ecp5":
        return _transferred(unit)
    if unit.kind == "multiplier" and (unit.a != unit.b or unit.a > max(FITTED[unit.kind, unit.style])[0]):
        raise LbtError(f"no area is known for {unit.name}: it is not in the unit library, and no form holds for it")
    kept = unit.a + unit.b if unit.kind == "multiplier" else _fitted(unit, "ff")
    return Area(_fitted(unit, "lut"), kept, _fitted(unit, "carry"), 0, None, "fitted")


def closed_form(unit: Unit) -> int | None:
    """LUTs where a closed form is exact; None elsewhere."""
    if unit.style != "booth" or unit.target == "ecp5" or unit.kind not in ("multiplier", "mac"):
        return None
    if unit.b < 2 or unit.a < 2:
        return None
    return -(-unit.b // 2) * (unit.a + 1) + 1 - unit.b % 2 + (unit.c + 1 if unit.kind == "mac" else 0)


def _mac(unit: Unit) -> Area:
    """A multiplier, and an adder with a register."""
    if unit.c < unit.a + unit.b:
        raise LbtError(
            f"{unit.kind}: found an accumulator of {unit.c} bits; accepted: at least {unit.a + unit.b} for operands of "
            f"{unit.a} and {unit.b} bits"
        )
    product = area(Unit("multiplier", unit.style, unit.target, unit.a, unit.b))
    carry = ceil(unit.c / (8 if unit.target == "xcup" else 4))
    total = product + Area(unit.c + 1, unit.c + 1, carry, depth=1 + ceil(unit.c / 4))
    return replace(total, origin="fitted" if closed_form(unit) is None else "closed")


@cache
def library(path: Path = LIBRARY) -> dict[Unit, dict[str, Any]]:
    """The library's rows by unit."""
    rows = pq.ParquetFile(path).read().to_pylist()
    return {Unit(*(row[k] for k in ("kind", "style", "target", "a", "b", "c"))): row for row in rows}


def _known(kind: str, style: str, target: str) -> dict[Unit, dict[str, Any]]:
    """The library's rows that the form of one kind, style and fabric is fitted to."""
    seen = {Unit(kind, style, target, *w) for w in FITTED.get((kind, style), ())}
    return {unit: row for unit, row in library().items() if unit in seen}


def _fitted(unit: Unit, column: str) -> float:
    known = _known(unit.kind, unit.style, _fabric(unit))
    if not forms.has_form(unit) or not known:
        raise LbtError(f"no area is known for {unit.name}: it is not in the unit library and its kind has no form")
    for name in ("a", "b", "c"):
        found, widths = getattr(unit, name), [getattr(u, name) for u in known]
        if not min(widths) / REACH <= found <= max(widths) * REACH:
            raise LbtError(
                f"no area is known for {unit.name}: its width {found} is far outside the synthesised widths "
                f"{min(widths)} to {max(widths)}"
            )
    return forms.predict(unit, _coefficients(unit.kind, unit.style, _fabric(unit), column))


def _transferred(unit: Unit) -> Area:
    """On the LUT4 fabric, of which the library has few units: a line over what the same units take in LUT6.

    The unit itself is left out, where it is there.
    """
    alike = (u for u in library() if (u.kind, u.style, u.target) == (unit.kind, unit.style, unit.target))
    here = [other for other in alike if other != unit]
    if not here:
        raise LbtError(
            f"no area is known for {unit.name}: no unit of its kind and style was synthesised for {unit.target}"
        )
    there = area(replace(unit, target="xc7"))
    lut, ff, carry = (
        forms.line(
            [(getattr(area(replace(u, target="xc7")), name), library()[u][name]) for u in here], getattr(there, name)
        )
        for name in ("lut", "ff", "carry")
    )
    return Area(lut, ff, carry, 0, None, "fitted")


@cache
def transfer_errors() -> dict[str, float]:
    """Relative error in LUTs of each ecp5 unit, predicted from the others of its kind and style (if there are any)."""
    units = [unit for unit in library() if unit.target == "ecp5" and unit.style != "dsp"]
    found = {}
    for unit in units:
        if sum((other.kind, other.style) == (unit.kind, unit.style) for other in units) > 1:
            found[unit.name] = abs(_transferred(unit).lut / library()[unit]["lut"] - 1)
    return found


def remark(origin: str, target: str) -> str:
    """The origin of an area in words, with the measured error of a fitted one on ecp5."""
    if target != "ecp5" or origin != "fitted":
        return origin
    errors = transfer_errors().values()
    return f"{origin} (ecp5: {min(errors):.0%} to {max(errors):.0%} off for the {len(errors)} units that were left out)"


def _fabric(unit: Unit) -> str:
    """The target whose LUTs the unit is made of."""
    return "xc7" if unit.target == "xcup" and unit.style != "dsp" else unit.target


@cache
def _coefficients(kind: str, style: str, target: str, column: str) -> np.ndarray:
    return forms.fit({unit: row[column] for unit, row in _known(kind, style, target).items()})


BLOCK = {"xc7": (25, 18, 48), "xcup": (27, 18, 48)}
"""Operand and accumulator widths that one DSP block has: DSP48E1 (AMD UG479) and DSP48E2 (UG579)."""
SMALLEST_IN_BLOCK = 9
"""Bits of a product from which on Yosys puts it into a DSP block."""


def _with_blocks(unit: Unit) -> Area:
    """One block where it holds the unit, no block where the product is small; otherwise what contains the unit."""
    return in_block(unit) or _enclosing(unit)


def in_block(unit: Unit) -> Area | None:
    """A unit of style ``dsp`` that one DSP block holds, or that is too small for one; None elsewhere."""
    known = unit.kind in ("mac", "multiplier") and unit.target in BLOCK
    wide, narrow, sum_ = BLOCK.get(unit.target, (0, 0, 0))
    if not known or max(unit.a, unit.b) > wide or min(unit.a, unit.b) > narrow or unit.c > sum_:
        return None
    if unit.a + unit.b < SMALLEST_IN_BLOCK:
        return area(replace(unit, style="plain"))
    if unit.target == "xcup" and unit.kind == "multiplier":  # Yosys leaves the registers of a DSP48E2 outside of it
        return Area(0, unit.a + unit.b, 0, 1, 1, "closed")
    if unit.target == "xcup":  # and the accumulator
        return Area(unit.c + 1, unit.a + unit.b + unit.c + 1, ceil(unit.c / 4), 1, 1 + ceil(unit.c / 4), "closed")
    rest = 1 if unit.kind == "mac" else 0  # clear or reset
    return Area(rest, rest, 0, 1, 1 + rest, "closed")


def _enclosing(unit: Unit) -> Area:
    alike = [u for u in library() if (u.kind, u.style, u.target) == (unit.kind, unit.style, unit.target)]
    larger = [u for u in alike if u.a >= unit.a and u.b >= unit.b and u.c >= unit.c]
    if not larger:
        raise LbtError(f"no area is known for {unit.name}: no synthesised unit with DSP blocks contains it")
    row = min((library()[u] for u in larger), key=lambda r: (r["dsp"], r["lut"]))
    return Area(row["lut"], row["ff"], row["carry"], row["dsp"], None, "enclosed")


REACH = 2.0
"""A fitted form is used up to this factor outside the widths that it was fitted to."""
