"""Units of the accelerator: cells of the array, a requantizer for each column, and lanes that the columns share.
:mod:`lbt.hardware.sizing` says how many of them a board holds.

A multiplier must take every pair of operands of the three products: A·W, E·WE, EG·AG. Where one of a pair is a power of
two (``luq4``), the product is a shift, and a cell holds a shifter beside the multiplier, or in its place. A column's
end holds a requantizer and, where a role is rounded stochastically, a source of random numbers; a lane holds the batch
norm's datapath and the update unit with a source of its own, and takes one element a cycle. With float roles, float
units take their place.
"""

from __future__ import annotations

import itertools
from math import ceil

from lbt.errors import unknown
from lbt.hardware import widths
from lbt.hardware.delays import Path, Stage
from lbt.hardware.precision import Number, Precision, shifts
from lbt.hardware.rtl.grid import STYLES, Unit
from lbt.hardware.units import Area, area
from lbt.nn import norms
from lbt.nn.norms._cost import FLOAT_LANE

RANDOM_BITS = 32
"""Of a source of random numbers."""

WIDEST_DIVIDER = 64
"""Digits of the widest quotient; the sums of a norm are shifted to fit."""

AT_COLUMNS = ("A", "AG", "E", "EG", "G")
"""Roles that are rounded at the end of a column; the others are rounded in a lane."""


def operands(precision: Precision) -> tuple[int, int]:
    """Widths (a, b), a ≥ b, of the smallest multiplier that takes the operands of all products that are no shifts.

    Of all three if they are all shifts.
    """
    taken = [pair for pair in precision.products if not shifts(*pair)] or precision.products
    widths = [(x.width, y.width) for x, y in taken]
    ways = itertools.product(*([(x, y), (y, x)] for x, y in widths))  # which operand goes to which side
    sides = ([max(pair[side] for pair in way) for side in (0, 1)] for way in ways)
    best = min(sides, key=lambda pair: pair[0] * pair[1])
    return max(best), min(best)


def cell(precision: Precision, target: str, style: str, accumulator: int) -> Area:
    """One multiply-accumulator.

    Floats multiply in their own format and accumulate in float32, shifts accumulate in fixed point.
    """
    moved = [shifts(x, y, accumulator) for x, y in precision.products]
    taken = [pair for pair, shifted in zip(precision.products, moved, strict=True) if not shifted]
    if any(moved) and not any(n.is_float for pair in taken for n in pair):
        return _shifting(precision, target, style, accumulator, bool(taken))
    roles = [n for pair in precision.products for n in pair]
    if any(n.is_float for n in roles):
        exponent, mantissa = max(n.exponent for n in roles), max(_mantissa(n) for n in roles)
        product = area(Unit("float_multiplier", style, target, exponent, mantissa))
        return product + area(Unit("float_adder", "plain", target, 8, 23))
    a, b = operands(precision)
    return area(Unit("mac", style, target, max(2, a), max(2, b), accumulator))


def _shifting(precision: Precision, target: str, style: str, accumulator: int, multiplies: bool) -> Area:
    """A shifter in front of the accumulator, beside the multiplier of the products that are no shifts.

    A barrel shifter of a number of w bits by an exponent of E bits: w·E + 2^E − 3 LUTs, within 4 LUTs of Yosys's
    ``synth_xilinx`` for w of 2 to 12 and E of 1 to 4. The accumulator's adder selects between it and the multiplier,
    and takes the sign; so its LUTs are counted once. On the LUT4 target the same number is an underestimate.
    """
    if multiplies:
        a, b = operands(precision)
        rest = area(Unit("mac", style, target, max(2, a), max(2, b), accumulator))
    else:
        rest = Area(accumulator + 1, accumulator, ceil(accumulator / 4), depth=1 + ceil(accumulator / 4))
    pairs = [pair for pair in precision.products if shifts(*pair, accumulator)]
    power = max(n.exponent for pair in pairs for n in pair if n.is_power)
    width = max((n.width for pair in pairs for n in pair if not n.is_float), default=2)
    luts = max(width * power + 2**power - 3, width + 3)
    # a level for each bit of the exponent, and the adder of the sum
    path = Path(nets=power + 1, luts=power + 1, chains=1, carries=ceil(accumulator / 4) - 1)
    stage = Stage(f"shifter-{target}-{width}-{power}-{accumulator}", path)
    return rest + Area(luts, 0, 0, 0, path.depth, "fitted", (stage,))


def norm_lane(norm: str, number: Number, target: str, elements: int = widths.UNKNOWN_LENGTH) -> Area:
    """Datapath of a batch norm that takes one element a cycle, forward or backward; its sums hold ``elements``.

    A fixed-point lane has a serial unit for the quotients and roots of its channels, as wide as its sums. Float numbers
    go through float32 adders and multipliers, whatever lane the norm declares, and so do Newton's steps of quotients
    and roots.

    Raises:
        LbtError: the norm declares a lane that there is no unit of.
    """
    cost = norms.cost(norm)
    if cost.lane not in (FLOAT_LANE, *STYLES["norm"]):
        raise unknown("lane", cost.lane, (FLOAT_LANE, *STYLES["norm"]), where=f"lbt/nn/norms/{norm}.py")
    if cost.lane != FLOAT_LANE and not number.is_float:
        bits = lane_bits(norm, number)
        lane = area(Unit("norm", cost.lane, target, bits, 0, widths.norm_sum(bits, elements)))
        digits = lane_digits(norm, number, elements)
        return lane + area(Unit("divide", cost.divider, target, digits, 0)) if digits else lane
    passes = (cost.forward.element, cost.backward.element)
    adds, multiplies = max(p.adds + p.comparisons for p in passes), max(p.multiplies for p in passes)
    adder = area(Unit("float_adder", "plain", target, 8, 23))
    return adder * adds + area(Unit("float_multiplier", "booth", target, 8, 23)) * multiplies


def lane_bits(norm: str, number: Number) -> int:
    """Width of the codes that a norm's fixed-point lane takes; 0 if it is a float lane."""
    cost = norms.cost(norm)
    return 0 if cost.lane == FLOAT_LANE or number.is_float else max(3, cost.bits, number.width)


def lane_digits(norm: str, number: Number, elements: int = widths.UNKNOWN_LENGTH) -> int:
    """Digits of the quotients that a lane's divider makes, one a cycle; 0 if it has none."""
    bits = lane_bits(norm, number)
    return min(WIDEST_DIVIDER, widths.norm_sum(bits, elements)) if bits and norms.cost(norm).divider else 0


def update_unit(precision: Precision, target: str, rounder: str) -> Area:
    """SGD with momentum: two multiplications and two additions on the master weight's numbers."""
    drawn = random_source(target, rounder) if draws(precision)[1] else Area()
    if precision.master.is_float:
        return _float_units(target) * 2 + drawn
    gradient, velocity = (32 if n.is_float else max(8, n.width) for n in (precision["G"], precision["U"]))
    return area(Unit("update", "booth", target, precision.master.width, gradient, velocity)) + drawn


def random_source(target: str, rounder: str) -> Area:
    """32 random bits a cycle: the shift register ``lfsr``, or the trainer's counter ``hash``."""
    return area(Unit("random", rounder, target, RANDOM_BITS, 0))


def draws(precision: Precision) -> tuple[bool, bool]:
    """True for the end of a column, and for a lane, if numbers are rounded there stochastically.

    The step of integer master weights always is, as the update unit has it.
    """
    roles = {role for role, number in precision.roles.items() if number.rounding == "stochastic"}
    lane = not precision.master.is_float or precision.master.rounding == "stochastic"
    return bool(roles & {*AT_COLUMNS}), lane or bool(roles - {*AT_COLUMNS})


def _float_units(target: str) -> Area:
    """A float32 multiplier and adder."""
    return area(Unit("float_multiplier", "booth", target, 8, 23)) + area(Unit("float_adder", "plain", target, 8, 23))


def requantizer(precision: Precision, target: str, accumulator: int, rounder: str) -> Area:
    """Accumulator to the widest role that a product writes, with random numbers if one is rounded stochastically.

    Of float roles the random numbers alone.
    """
    stochastic = draws(precision)[0]
    drawn = random_source(target, rounder) if stochastic else Area()
    numbers = [precision[r] for r in ("A", "E", "G") if not precision[r].is_float]
    if not numbers:
        return drawn
    width = max(2, max(n.width for n in numbers))
    style = "shift" if all(n.scale == "pow2" for n in numbers) else "multiplier"
    style += "_stochastic" if any(n.rounding == "stochastic" for n in numbers) else ""
    return area(Unit("requantize", style, target, accumulator, width)) + drawn


def _mantissa(number: Number) -> int:
    """Mantissa bits that hold the number's significand in a float multiplier."""
    return number.mantissa if number.is_float else max(1, number.width - 2)
