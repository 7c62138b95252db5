"""Area of the accelerator's units: from the synthesised library, exact closed forms, or fitted forms, in that order.

Closed forms, for 6-input LUTs with a carry chain (targets xc7 and xcup), equal to synthesis on every width that was
tried:

    Booth multiplier   ⌈b/2⌉·(a + 1) + 1 − (b mod 2) LUT        a, b ≥ 4; b is recoded
    Booth MAC          that + c + 1 LUT                           c accumulator bits ≥ a + b; one for clear or reset

Fitted forms are linear in a few terms that follow from the unit's structure, fitted to the library by least squares of
the relative error; what comes out of them is marked ``fitted``. A unit with DSP blocks takes the smallest synthesised
one that contains it, marked ``enclosed``. UltraScale+ has the LUTs of the 7-series: a unit that was synthesised for
those only is taken from there, with half as many carry cells (CARRY8 for CARRY4), marked ``sibling``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from math import ceil, log2
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from lbt.errors import LbtError
from lbt.hardware.rtl.grid import Unit

LIBRARY = Path(__file__).with_name("units.parquet")
"""The shipped library; remade by :func:`lbt.hardware.rtl.synthesis.run_synthesis`."""


@dataclass(frozen=True)
class Area:
    """Resources of a unit.

    Attributes:
        lut, ff, carry, dsp: LUTs, flip-flops, carry cells, DSP blocks.
        depth: cells on the longest path (0 where it was not synthesised).
        origin: one of :data:`ORIGINS`; a sum has the least certain of its parts.
    """

    lut: float = 0
    ff: float = 0
    carry: float = 0
    dsp: float = 0
    depth: int = 0
    origin: str = "synthesis"

    def __add__(self, other: Area) -> Area:
        origin = max(self.origin, other.origin, key=ORIGINS.index)
        depth = max(self.depth, other.depth)
        return Area(
            self.lut + other.lut, self.ff + other.ff, self.carry + other.carry, self.dsp + other.dsp, depth, origin
        )

    def __mul__(self, count: float) -> Area:
        return Area(self.lut * count, self.ff * count, self.carry * count, self.dsp * count, self.depth, self.origin)


ORIGINS = ("synthesis", "closed", "sibling", "enclosed", "fitted")
"""From certain to less certain."""


def area(unit: Unit) -> Area:
    """Resources of ``unit``.

    Raises:
        LbtError: a width so far outside the library that no form may be trusted, or a style without a form.
    """
    row = library().get(unit)
    if row is not None:
        return Area(row["lut"], row["ff"], row["carry"], row["dsp"], row["depth"])
    sibling = library().get(replace(unit, target="xc7")) if unit.target == "xcup" and unit.style != "dsp" else None
    if sibling is not None:
        return Area(sibling["lut"], sibling["ff"], sibling["carry"] / 2, 0, sibling["depth"], "sibling")
    closed = closed_form(unit)
    if closed is not None:
        return Area(closed, _fitted(unit, "ff"), _fitted(unit, "carry"), 0, 0, "closed")
    if unit.style == "dsp":
        return _enclosing(unit)
    return Area(_fitted(unit, "lut"), _fitted(unit, "ff"), _fitted(unit, "carry"), 0, 0, "fitted")


def closed_form(unit: Unit) -> int | None:
    """LUTs where a closed form is exact; None elsewhere."""
    if unit.style != "booth" or unit.target == "ecp5" or unit.kind not in ("multiplier", "mac"):
        return None
    if unit.b < 4 or unit.a < 4:
        return None
    return -(-unit.b // 2) * (unit.a + 1) + 1 - unit.b % 2 + (unit.c + 1 if unit.kind == "mac" else 0)


@cache
def library(path: Path = LIBRARY) -> dict[Unit, dict[str, Any]]:
    """The library's rows by unit."""
    rows = pq.read_table(path).to_pylist()
    return {Unit(*(row[k] for k in ("kind", "style", "target", "a", "b", "c"))): row for row in rows}


Terms = Callable[[int, int, int], list[float]]

TERMS: dict[tuple[str, str], Terms] = {
    # a partial product per bit pair, its additions, the accumulator
    ("multiplier", "plain"): lambda a, b, c: [a * b, a + b, 1],
    ("mac", "plain"): lambda a, b, c: [a * b, a + b, 1, c],
    ("multiplier", "booth"): lambda a, b, c: [ceil(b / 2) * (a + 1), a, 1],
    ("mac", "booth"): lambda a, b, c: [ceil(b / 2) * (a + 1), c, 1],
    # a barrel shifter: a multiplexer level per bit of the amount; then rounding and saturation
    ("requantize", "shift"): lambda a, b, c: [a * ceil(log2(a)), b, 1],
    ("requantize", "multiplier"): lambda a, b, c: [a * ceil(log2(a + 16)), b, 1],
    ("round", "nearest"): lambda a, b, c: [a, b, 1],
    ("round", "lfsr"): lambda a, b, c: [a, b, 1],
    ("round", "hash"): lambda a, b, c: [a, b, 1],
    # the significands' product; the exponents' sum
    ("float_multiplier", "plain"): lambda e, f, c: [(f + 1) ** 2, f + 1, e, 1],
    # two barrel shifters of the significand; exponents
    ("float_adder", "plain"): lambda e, f, c: [(f + 5) * log2(f + 5), e, 1],
    ("norm", "full_bn"): lambda a, b, c: [a * a, a, 1],
    ("norm", "range_bn"): lambda a, b, c: [a * a, a, 1],
    ("norm", "affine_bn"): lambda a, b, c: [a * a, a, 1],
    ("update", "plain"): lambda a, b, c: [a, b, 1],
}
"""Terms of the fitted forms, by kind and style."""

REACH = 2.0
"""A fitted form is used up to this factor outside the widths that it was fitted to."""


def fit(units: Iterable[Unit], column: str) -> np.ndarray:
    """Coefficients of one kind, style and target: least squares of the relative error over ``units`` of the library."""
    rows = [(unit, library()[unit][column]) for unit in units]
    terms = TERMS[rows[0][0].kind, rows[0][0].style]
    matrix = np.array([terms(u.a, u.b, u.c) for u, _ in rows], float)
    target = np.array([value for _, value in rows], float)
    weight = 1 / np.maximum(target, 1)
    return np.linalg.lstsq(matrix * weight[:, None], target * weight, rcond=None)[0]


def predict(unit: Unit, coefficients: np.ndarray) -> float:
    """What a fitted form says of ``unit``; never negative."""
    return max(0.0, float(np.dot(TERMS[unit.kind, unit.style](unit.a, unit.b, unit.c), coefficients)))


def _fitted(unit: Unit, column: str) -> float:
    relatives = _relatives(unit)
    if (unit.kind, unit.style) not in TERMS or not relatives:
        raise LbtError(f"no area is known for {unit.name}: it is not in the unit library and its kind has no form")
    for name in ("a", "b"):
        found, known = getattr(unit, name), [getattr(u, name) for u in relatives]
        if not min(known) / REACH <= found <= max(known) * REACH:
            raise LbtError(
                f"no area is known for {unit.name}: its width {found} is far outside the synthesised widths "
                f"{min(known)} to {max(known)}"
            )
    return predict(unit, _coefficients(unit.kind, unit.style, relatives[0].target, column))


def _relatives(unit: Unit) -> list[Unit]:
    """The library's units of the same kind and style on the same fabric."""
    fabric = "xc7" if unit.target == "xcup" and unit.style != "dsp" else unit.target
    return [u for u in library() if (u.kind, u.style, u.target) == (unit.kind, unit.style, fabric)]


@cache
def _coefficients(kind: str, style: str, target: str, column: str) -> np.ndarray:
    return fit([u for u in library() if (u.kind, u.style, u.target) == (kind, style, target)], column)


def _enclosing(unit: Unit) -> Area:
    larger = [u for u in _relatives(unit) if u.a >= unit.a and u.b >= unit.b and u.c >= unit.c]
    if not larger:
        raise LbtError(f"no area is known for {unit.name}: no synthesised unit with DSP blocks contains it")
    row = min((library()[u] for u in larger), key=lambda r: (r["dsp"], r["lut"]))
    return Area(row["lut"], row["ff"], row["carry"], row["dsp"], 0, "enclosed")
