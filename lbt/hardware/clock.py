"""Clock of the units: an estimate from their slowest paths and published delays of the family (:data:`DELAYS`).

A unit's path is, in this order,

``path``      what synthesis found (``paths.parquet``);
``closed``    of Booth rows, which run into one another, and of a product in one DSP block;
``depth``     that of a unit of its kind (its style, or the nearest in depth) or of a Booth MAC, by their depths;
``enclosed``  the same for the smallest unit of the library that contains it: not slower than that one;
``structure`` of logic that is no unit of the library (a shifter, the carry that mends packed products), by hand.

Where there is none of these the clock is unknown, and the answer says so. Placement, the speed grade and a full device
decide what a board reaches; :mod:`lbt.hardware.fmax.place` measures how far the estimate is off on ECP5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from math import ceil
from pathlib import Path as File

import pyarrow.parquet as pq

from lbt.artifacts import read_json
from lbt.hardware.delays import DELAYS, Path, Stage
from lbt.hardware.rtl.grid import Unit
from lbt.hardware.units import area, library

PATHS = File(__file__).with_name("paths.parquet")
"""The slowest path of some units of each kind; remade by ``python -m lbt.hardware.fmax paths``."""

PLACED = File(__file__).with_name("placed.json")
"""Clocks of units placed and routed on ECP5; remade by ``python -m lbt.hardware.fmax place``."""


@dataclass(frozen=True)
class Speed:
    """The estimated clock of a unit.

    Attributes:
        name: of the unit.
        mhz: its clock; None if nothing is known of its path.
        origin: ``path``, ``closed``, ``depth``, ``enclosed``, ``structure`` or ``unknown``, as above.
    """

    name: str
    mhz: float | None
    origin: str


@dataclass(frozen=True)
class Pace:
    """Clocks of everything in a design, the slowest first.

    Attributes:
        known: units with an estimate.
        unknown: names of those without.
    """

    known: tuple[Speed, ...]
    unknown: tuple[str, ...]

    @property
    def mhz(self) -> float | None:
        """Clock of the slowest unit; None if no unit has an estimate."""
        return self.known[0].mhz if self.known else None

    @property
    def slowest(self) -> str:
        """Name of the slowest unit."""
        return self.known[0].name if self.known else ""

    def told(self, clock: float, stated: float) -> str:
        """A design's clock in words: what bounds it, and how sure that is.

        Args:
            clock: of the design, MHz.
            stated: by its board, or by whoever asks.
        """
        said = f"clock {clock:.3g} MHz"
        if self.mhz is None:
            said += ", stated; no estimate"
        elif self.mhz > stated:
            said += f", stated; its units reach {self.mhz:.3g} (estimate: {remark()})"
        elif clock < stated:
            said += f", limited by {self.slowest} (estimate: {remark()}; stated: {stated:.3g})"
        else:
            said += f", asked for; {self.slowest} reaches {self.mhz:.3g} (estimate: {remark()})"
        return said + (f"; unknown: {', '.join(self.unknown)}" if self.unknown else "")


def pace(parts: Iterable[Unit | Stage], target: str) -> Pace:
    """Clocks of ``parts`` on a family."""
    found = [speed(part, target) for part in dict.fromkeys(parts)]
    known = sorted((one for one in found if one.mhz is not None), key=lambda one: (one.mhz, one.name))
    return Pace(tuple(known), tuple(one.name for one in found if one.mhz is None))


@cache
def speed(part: Unit | Stage, target: str) -> Speed:
    """The estimated clock of one unit or stage."""
    delays = DELAYS[target]
    if isinstance(part, Stage):
        mhz = None if part.path is None else 1e3 / delays.period(part.path)
        return Speed(part.name, mhz, "unknown" if mhz is None else "structure")
    for origin, path in (("path", paths().get(part)), ("closed", closed(part))):
        if path is not None:
            return Speed(part.name, 1e3 / delays.period(path), origin)
    return by_depth(part, paths())


def by_depth(unit: Unit, known: Mapping[Unit, Path]) -> Speed:
    """The estimated clock of a unit from the paths of others."""
    delays, found = DELAYS[unit.target], _scaled(unit, known)
    if found is None:
        return Speed(unit.name, None, "unknown")
    ratio, reference, origin = found
    period = delays.register + ratio * (delays.period(reference) - delays.register)
    if unit.kind == "mac":
        period = max(period, delays.period(accumulator(unit)))
    return Speed(unit.name, 1e3 / period, origin)


@cache
def paths(file: File = PATHS) -> dict[Unit, Path]:
    """The slowest paths that synthesis found."""
    rows = pq.ParquetFile(file).read().to_pylist()
    names = [one.name for one in fields(Path)]
    units = (Unit(*(row[k] for k in ("kind", "style", "target", "a", "b", "c"))) for row in rows)
    return {unit: Path(*(row[name] for name in names)) for unit, row in zip(units, rows, strict=True)}


def closed(unit: Unit) -> Path | None:
    """The slowest path of a Booth multiplier or MAC, or of one in a DSP block; None for other units.

    Each of the ⌈b/2⌉ Booth rows is a carry chain of a + 3 bits, which chooses its multiple in the LUTs in front of it
    (of four inputs on ecp5, where the choice of the first row takes one more). A row hands its sum on two bits lower,
    so that the path enters one carry cell and leaves the next in each row, and runs through the whole of the last one.
    A product in a block has its register there on xc7, and outside elsewhere. A MAC's accumulator, behind the product's
    register, is a chain of its own.
    """
    if unit.kind not in ("multiplier", "mac") or unit.style == "plain":
        return None
    lut4 = unit.target == "ecp5"
    if unit.style == "booth":
        rows = ceil(unit.b / 2)
        carries = rows - 1 + ceil((unit.a + 3) / CARRY_BITS[unit.target]) - 1
        product = Path(nets=rows + lut4, luts=1 if lut4 else rows, chains=rows, carries=carries)
    elif area(unit).dsp != 1:
        return None
    elif unit.target == "xc7" and unit.kind == "multiplier":
        return Path(nets=1, captures=1)
    elif unit.target == "xc7":
        return Path(nets=2, luts=1, captures=1)  # it accumulates in the block, behind the LUT that clears
    else:
        product = Path(nets=2, blocks=1)
    return max(product, accumulator(unit), key=DELAYS[unit.target].period) if unit.kind == "mac" else product


CARRY_BITS = {"xc7": 4, "xcup": 4, "ecp5": 2}
"""Bits of a carry cell, as :class:`Path` counts them."""


def accumulator(unit: Unit) -> Path:
    """The path of a MAC from its sum's register to itself: an adder (whose LUTs are in the carry cell on ecp5)."""
    return Path(nets=1, luts=int(unit.target != "ecp5"), chains=1, carries=ceil(unit.c / CARRY_BITS[unit.target]) - 1)


def _scaled(unit: Unit, known: Mapping[Unit, Path]) -> tuple[float, Path, str] | None:
    """The path of the likest unit, how many times as deep this one is, and the origin of that; None if unknown."""
    own = _depth(unit)
    depth = own or min((_depth(other) or 0 for other in _containing(unit)), default=0)
    blocks = unit.style == "dsp"  # a block is one cell, and takes the time of several: it tells nothing of others
    same = ((other, path) for other, path in known.items() if (other.kind, other.target) == (unit.kind, unit.target))
    alike = [(other, path) for other, path in same if (other.style == "dsp") == blocks]
    booth = closed(replace(BOOTH, target=unit.target))
    if not alike and not blocks and booth is not None:
        alike = [(BOOTH, booth)]
    if not alike or not depth:
        return None
    ways = [(other, path, _depth(replace(other, target=unit.target)) or path.depth) for other, path in alike]
    # of its style, or else as deep as can be: what is in proportion to the depth is then nearly the same
    _, path, whole = max(ways, key=lambda w: (w[0].style == unit.style, -abs(w[2] - depth), -abs(w[0].a - unit.a)))
    return depth / whole, path, "depth" if own else "enclosed"


BOOTH = Unit("mac", "booth", "xc7", 8, 8, 32)
"""The unit that is taken for the likest where no path of the kind is known."""


def _targets(unit: Unit) -> tuple[str, ...]:
    """Targets whose rows of the library speak of a unit, its own first: UltraScale+ has the 7-series' LUTs."""
    return ("xcup", "xc7") if unit.target == "xcup" and unit.style != "dsp" else (unit.target,)


def _depth(unit: Unit) -> int | None:
    """Cells on the longest path, by the library; of a MAC's product, behind which the sum is a path of its own."""
    units = [replace(unit, kind="multiplier", c=0), unit] if unit.kind == "mac" else [unit]
    units += [replace(one, a=one.b, b=one.a) for one in units if one.kind == "multiplier" and one.b]
    rows = (library().get(replace(one, target=target)) for one in units for target in _targets(unit))
    return next((row["depth"] for row in rows if row is not None), None)


def _containing(unit: Unit) -> list[Unit]:
    """Units of the library that are as wide everywhere."""
    alike = (
        one for one in library() if (one.kind, one.style) == (unit.kind, unit.style) and one.target in _targets(unit)
    )
    return [one for one in alike if one.a >= unit.a and one.b >= unit.b and one.c >= unit.c]


@cache
def placed() -> dict[Unit, float]:
    """Median clocks in MHz of units placed and routed on ECP5."""
    found = {}
    for name, row in read_json(PLACED).items():
        kind, style, target, *widths = name.split("-")
        found[Unit(kind, style, target, *(int(width) for width in widths))] = row["median_mhz"]
    return found


def left_out() -> dict[str, float]:
    """Estimated clock from the other units' paths over the one from its own, of each unit that has one."""
    found = {}
    for unit in (one for one in paths() if closed(one) is None):
        told, own = by_depth(unit, {k: path for k, path in paths().items() if k != unit}), speed(unit, unit.target)
        if told.mhz is not None and own.mhz is not None:
            found[unit.name] = told.mhz / own.mhz
    return found


def over_placed() -> dict[str, float]:
    """Estimated over placed clock of each unit that was placed."""
    found = {unit: (speed(unit, unit.target).mhz, mhz) for unit, mhz in placed().items()}
    return {unit.name: told / mhz for unit, (told, mhz) in found.items() if told is not None}


def remark() -> str:
    """The estimate's uncertainty in words, such as ``0.9–1.2 × the placed clock of 12 units on ECP5``."""
    ratios = over_placed().values()
    if not ratios:
        return "not compared with placed units"
    return f"{min(ratios):.1f}–{max(ratios):.1f} × the placed clock of {len(ratios)} units on ECP5"
