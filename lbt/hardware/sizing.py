"""The accelerator that suits a network and fits a board: shape of the array, number of lanes, build of the cells.

Of all arrays that fit, on a grid of sizes, the one is taken in which the network's step is fastest, with memory that
moves each operand once; within one percent the one with the fewest LUTs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lbt.errors import LbtError
from lbt.hardware import widths
from lbt.hardware.accelerator import draws, lane_digits, norm_lane, operands, random_source, requantizer, update_unit
from lbt.hardware.boards import Board
from lbt.hardware.bram import banks
from lbt.hardware.cells import Build, builds
from lbt.hardware.clock import Pace, pace
from lbt.hardware.load import Load
from lbt.hardware.ops import Work
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Precision
from lbt.hardware.units import Area

Resource = Literal["lut", "dsp", "ff"]
_RESOURCES: tuple[Resource, ...] = ("lut", "dsp", "ff")

Ints = int | np.ndarray
"""Sizes, one or many."""

Limit = Literal["lut", "ff", "dsp", "buffers", "network", "none"]

LANES_SHARE = 0.5
"""Share of the usable LUTs that lanes of a given number may take before there are fewer of them than asked for."""

SQUARE_LANES = 8
"""Lanes beside the largest square array, where no network is given to choose for."""

SIDES = tuple(
    sorted({round(2 ** (i / 4)) for i in range(45)} | {3 * 2**i for i in range(10)} | {9 * 2**i for i in range(8)})
)
"""Rows and columns that are tried: four an octave up to 2,048, and multiples of a 3×3 kernel."""

LANES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""Numbers of lanes that are tried."""

NEAR = 1.01
"""A step that takes up to so many times the shortest counts as equal, and fewer LUTs decide."""


@dataclass(frozen=True)
class Accelerator:
    """The accelerator that fits.

    Attributes:
        style: build of the multipliers: ``packed``, ``dsp``, ``booth``, ``plain``, or two of them as ``packed+booth``.
        a_bits, b_bits: operand widths of a multiplier (significands if float).
        accumulator: bits of a fixed-point sum.
        sum_bits: bits with which no sum of the network wraps; more than ``accumulator`` where it may.
        rows, cols: of the array; 0 if not even one cell fits.
        mac: one cell; their mean if there are two kinds.
        column: the end of one column.
        lane: one shared lane.
        lanes: number of lanes.
        limit: the resource that keeps it from being larger, or ``network`` if a larger one would be no faster.
        total: all cells and lanes.
        sram: bytes of on-chip memory.
        clock: MHz at which all of it runs.
        pace: estimated clocks of its units.
        sources: sources of random numbers for stochastic rounding: of the columns, of the lanes, or of both.
        rounder: their kind, ``lfsr`` or ``hash``.
        hash_lut: LUTs that the trainer's hash takes beyond those of this kind, for all of them.
        digits: of a quotient of the divider in each lane; 0 if the norm needs none.
        least_bram18: block RAMs of the smallest accelerator.
    """

    style: str
    a_bits: int
    b_bits: int
    accumulator: int
    sum_bits: int
    rows: int
    cols: int
    mac: Area
    column: Area
    lane: Area
    lanes: int
    limit: Limit
    total: Area
    sram: int
    clock: float
    pace: Pace
    sources: int
    rounder: str
    hash_lut: float
    digits: int
    least_bram18: int

    @property
    def least(self) -> Area:
        """Resources of the smallest accelerator: one cell, the end of its column, one lane."""
        return self.mac + self.column + self.lane

    @property
    def cells(self) -> int:
        """Multiply-accumulators."""
        return self.rows * self.cols


@dataclass(frozen=True)
class Parts:
    """Everything that a board is filled with, and the board, with the clock that both reach."""

    build: Build
    column: Area
    lane: Area
    widths: tuple[int, int, int]
    board: Board

    @property
    def pace(self) -> Pace:
        """Estimated clocks of the units."""
        units = self.build.first + (self.build.rest or Area()) + self.column + self.lane
        return pace(units.parts, self.board.target)

    def timed(self, asked: float | None) -> Parts:
        """The parts at the clock that was asked for, or at the board's as far as the units reach it."""
        clock = asked or min(self.board.clock, self.pace.mhz or np.inf)
        return replace(self, board=self.board.model_copy(update={"clock": clock}))

    def total(self, rows: int, cols: int, lanes: int) -> Area:
        """Resources of the whole."""
        return self.build.cells(rows * cols) + self.column * cols + self.lane * lanes

    def used(self, name: Resource, rows: Ints, cols: Ints, lanes: Ints) -> np.ndarray:
        """One resource of the whole; sizes are broadcast."""
        cells = np.multiply(rows, cols)
        few = np.minimum(cells, self.build.most)
        parts = (self.build.first, self.build.rest or self.build.first, self.column, self.lane)
        first, rest, column, lane = (getattr(part, name) for part in parts)
        return first * few + rest * (cells - few) + column * np.asarray(cols) + lane * np.asarray(lanes)

    def over(self, rows: Ints, cols: Ints, lanes: Ints) -> dict[Limit, np.ndarray]:
        """True for each resource that an array of these sizes would exceed; sizes are broadcast."""
        found: dict[Limit, np.ndarray] = {
            name: self.used(name, rows, cols, lanes) > getattr(self.board, f"usable_{name}") for name in _RESOURCES
        }
        return found | {"buffers": np.asarray(self.ports(rows, cols, lanes) > self.board.usable_bram18)}

    def ports(self, rows: Ints, cols: Ints, lanes: Ints) -> np.ndarray:
        """Block RAMs that feed all rows and columns, sums both ways, and the lanes; sizes are broadcast."""
        a, b, accumulator = self.widths
        sums = 2 * banks(cols, accumulator)
        return np.asarray(banks(rows, a) + banks(cols, b) + sums + banks(np.multiply(3, lanes), a))

    def violated(self, rows: int, cols: int, lanes: int) -> Limit:
        """The first resource that an array of these sizes would exceed."""
        return next((name for name, over in self.over(rows, cols, lanes).items() if over), "none")

    def fits(self, rows: Ints, cols: Ints, lanes: Ints) -> np.ndarray:
        """True for sizes that exceed nothing."""
        return ~np.any(np.broadcast_arrays(*self.over(rows, cols, lanes).values()), 0)


def size(
    precision: Precision,
    board: Board,
    options: HardwareParams,
    works: Sequence[Work] = (),
    rides: Mapping[tuple[str, str], float] | None = None,
    elements: int = widths.UNKNOWN_LENGTH,
) -> Accelerator:
    """The accelerator for ``board``.

    Args:
        precision: numbers of each role.
        board: the device.
        options: style of the multipliers, accumulator, rounder, array and lanes.
        works: the network's work, for ``array: auto`` and ``lanes: auto``; without it the largest square array.
        rides: elements of norms that pass the lanes while a product runs, by layer and pass.
        elements: of the longest sum of a batch norm.

    Raises:
        LbtError: no area is known for these numbers, or an array that was asked for does not fit.
    """
    bits = operands(precision)
    needed = widths.exact(precision, works)
    accumulator = widths.accumulator(precision, needed, options.accumulator, bits)
    column = requantizer(precision, board.target, accumulator, options.rounder)
    lane = norm_lane(precision.norm, precision["A"], board.target, elements)
    digits = lane_digits(precision.norm, precision["A"], elements)
    lane = lane + update_unit(precision, board.target, options.rounder)
    candidates = [
        Parts(build, column, lane, (*bits, accumulator), board).timed(options.clock)
        for build in builds(precision, board, options.style, accumulator)
    ]
    busy = any(work.macs for work in works)
    boards = {parts.board.clock: parts.board for parts in candidates} if busy else {}
    loads = {clock: Load.of(works, one, bits, rides or {}, digits) for clock, one in boards.items()}
    found = [_largest(parts, options, loads.get(parts.board.clock)) for parts in candidates]
    one = min(found, key=lambda shape: (not shape.cells, shape.time, -shape.cells, shape.lut))
    parts = candidates[found.index(one)]
    if not one.cells and options.array not in ("auto", "square"):
        rows, cols = _asked(options)
        limit = parts.violated(rows, cols, 1)
        raise LbtError(f"hardware.array: found {options.array}; {board.device} has too few {limit} for it")
    rows, cols, lanes = one.rows, one.cols, one.lanes
    total = parts.total(rows, cols, lanes)
    mac = parts.build.cells(one.cells) * (1 / one.cells) if one.cells else parts.build.first
    limit = _limit(parts, rows, cols, lanes, chosen=busy and options.array == "auto")
    sram = board.sram(bits[0])
    style, clock = parts.build.style, parts.board.clock
    sources = sum(number for number, drawn in zip((cols, lanes), draws(precision), strict=True) if drawn)
    bit_exact, costed = (random_source(board.target, kind).lut for kind in ("hash", options.rounder))
    return Accelerator(
        style, *bits, accumulator, needed, rows, cols, mac, column, lane, lanes, limit, total, sram, clock, parts.pace,
        sources, options.rounder, sources * (bit_exact - costed), digits,
        int(parts.ports(1, 1, 1)),
    )  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """A candidate, the microseconds of a step on it, and its LUTs."""

    rows: int
    cols: int
    lanes: int
    time: float
    lut: float

    @property
    def cells(self) -> int:
        return self.rows * self.cols


def _largest(parts: Parts, options: HardwareParams, load: Load | None) -> Shape:
    """The fastest shape; without a load, or as asked for, the largest square."""
    lanes = _lanes(parts, options, auto=load is not None)
    if options.array not in ("auto", "square"):
        rows, cols = _asked(options)
        shapes = np.array([(rows, cols, few) for few in lanes if parts.violated(rows, cols, few) == "none"]).T
    else:
        squares = [_square(parts, most) for most in lanes]
        shapes = np.array([one for one in squares if one[0]], int).reshape(-1, 3).T
        if load is not None and options.array == "auto":
            grid = np.stack([g.ravel() for g in np.meshgrid(SIDES, SIDES, lanes, indexing="ij")])
            shapes = np.concatenate([shapes, grid[:, parts.fits(*grid)]], 1)
    if not shapes.size:
        return Shape(0, 0, 0, np.inf, 0.0)
    time = load.cycles(*shapes) / parts.board.clock if load else -1.0 * shapes[0] * shapes[1]
    near = shapes[:, time <= (NEAR * time.min() if load else time.min())]
    luts = parts.used("lut", *near)
    best = int(luts.argmin())
    rows, cols, few = (int(size) for size in near[:, best])
    return Shape(rows, cols, few, float(time.min()) if load else 0.0, float(luts[best]))


def _asked(options: HardwareParams) -> tuple[int, int]:
    """Rows and columns of an array that was asked for."""
    rows, cols = options.array.split("x")
    return int(rows), int(cols)


def _lanes(parts: Parts, options: HardwareParams, *, auto: bool) -> tuple[int, ...]:
    """Numbers of lanes to try."""
    if options.lanes == "auto":
        return LANES if auto else (SQUARE_LANES,)
    share = int(LANES_SHARE * parts.board.usable_lut / max(1, parts.lane.lut))
    return (max(1, min(options.lanes, share)),)


def _square(parts: Parts, most: int) -> tuple[int, int, int]:
    """The largest square array, with ``most`` lanes or fewer."""
    sides = np.arange(1, 4097)
    fits = parts.fits(sides, sides, np.minimum(most, sides))
    side = int(sides[-1] if fits.all() else fits.argmin())
    return side, side, min(most, side)


def _limit(parts: Parts, rows: int, cols: int, lanes: int, *, chosen: bool) -> Limit:
    """The resource that a larger array would exceed; where none fits, the one that the smallest exceeds."""
    if not rows * cols:
        return parts.violated(1, 1, 1)
    grown = lanes + 1 if rows == cols == lanes else lanes  # a small square has a lane for each column
    further = [parts.violated(rows + 1, cols + 1, grown)] if not chosen else [
        parts.violated(2 * rows, cols, lanes), parts.violated(rows, 2 * cols, lanes)
    ]  # fmt: skip
    if "none" in further:
        return "network" if chosen else "none"
    return further[0]
