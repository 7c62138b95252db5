"""Forms of a unit's area: linear in a few terms that follow from its structure, fitted to synthesised units.

A multiplier that is left to Yosys becomes a tree of full adders over its rows (three rows in, two out, level by level;
C. S. Wallace 1964), the rows of a signed one extended to the product's width. How many full and half adders that takes
has no smooth form (it jumps where one more level is needed), so they are counted by building the tree.

Coefficients minimise the sum of the squared *relative* errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import ceil, log2

import numpy as np

from lbt.hardware.rtl.grid import Unit

Terms = Callable[[int, int, int], list[float]]


def booth(a: int, b: int) -> float:
    """LUTs of Booth rows."""
    return ceil(b / 2) * (a + 1)


def shifter(width: int, levels: int) -> float:
    """Multiplexers of a barrel shifter."""
    return width * levels


@cache
def tree(a: int, b: int, signed: bool = True) -> tuple[int, int]:
    """Full and half adders that compress the b rows of an a × b multiplier to two."""
    width = a + b
    height = [0] * width  # bits in each column
    for row in range(b):
        for column in range(row, width if signed else row + a):
            height[column] += 1
    rows = [{column for column in range(width) if height[column] > level} for level in range(max(height))]
    full = half = 0
    while len(rows) > 2:
        kept = rows[len(rows) - len(rows) % 3 :]
        out = []
        for first, second, third in zip(rows[0::3], rows[1::3], rows[2::3], strict=False):
            three, one = first & second & third, first | second | third
            two = ((first & second) | (first & third) | (second & third)) - three
            full, half = full + len(three), half + len(two)
            out += [one, {column + 1 for column in three | two if column + 1 < width}]
        rows = out + kept
    return full, half


TERMS: dict[tuple[str, str], Terms] = {
    ("multiplier", "plain"): lambda a, b, c: [*tree(a, b)],
    ("multiplier", "booth"): lambda a, b, c: [booth(a, b), a, 1],
    ("mac", "plain"): lambda a, b, c: [*tree(a, b), c],
    ("mac", "booth"): lambda a, b, c: [booth(a, b), a, c],
    # shifter; saturation; with a multiplier its rows; with random numbers the adder of the fraction
    ("requantize", "shift"): lambda a, b, c: [shifter(a, 5), b, 1],
    ("requantize", "shift_stochastic"): lambda a, b, c: [shifter(a, 5), b, 1],
    ("requantize", "multiplier"): lambda a, b, c: [booth(a, 17), b, 1],
    ("requantize", "multiplier_stochastic"): lambda a, b, c: [booth(a, 17), b, 1],
    # the significands' product; rounding; the exponents' sum
    ("float_multiplier", "plain"): lambda e, f, c: [*tree(f + 1, f + 1, False), f, e],
    ("float_multiplier", "booth"): lambda e, f, c: [booth(f + 2, f + 2), f, e],
    # two barrel shifters of the significand; exponents
    ("float_adder", "plain"): lambda e, f, c: [(f + 5) * log2(f + 5), f, e],
    # Booth rows of the operand with a 16-bit coefficient and with itself; two sums
    ("norm", "full_bn"): lambda a, b, c: [booth(16, a), booth(a, a), c, 1],
    ("norm", "range_bn"): lambda a, b, c: [booth(16, a), booth(a, a), c, 1],
    ("norm", "affine_bn"): lambda a, b, c: [booth(16, a), booth(a, a), c, 1],
    # subtractor, its choice, and registers that load and shift
    ("divide", "quotient"): lambda a, b, c: [a, 1],
    ("divide", "root"): lambda a, b, c: [a, 1],
    # two products of the velocity, the gradient's shifter of two levels a LUT, sums and saturations: one coefficient
    ("update", "booth"): lambda a, b, c: [2 * booth(c, 17) + shifter(b + 16, 7) / 2 + 4 * (a + c)],
}
"""Terms by kind and style."""


def has_form(unit: Unit) -> bool:
    """True if the unit's kind and style has terms."""
    return (unit.kind, unit.style) in TERMS


def terms(unit: Unit) -> list[float]:
    """The structural terms of a unit that has a form."""
    return TERMS[unit.kind, unit.style](unit.a, unit.b, unit.c)


def fit(known: Mapping[Unit, float]) -> np.ndarray:
    """Coefficients from units of one kind, style and target and what each of them takes."""
    matrix = np.array([terms(unit) for unit in known], float)
    target = np.array(list(known.values()), float)
    weight = 1 / np.maximum(target, 1)
    return np.linalg.lstsq(matrix * weight[:, None], target * weight, rcond=None)[0]


def predict(unit: Unit, coefficients: np.ndarray) -> float:
    """The form's value for ``unit``; never negative."""
    return max(0.0, float(np.dot(terms(unit), coefficients)))


def line(points: Sequence[tuple[float, float]], x: float) -> float:
    """``x`` on the line through ``points`` (least squares of the relative error; through zero if there is but one)."""
    known = np.array(points, float)
    matrix = np.stack([known[:, 0], np.ones(len(known))], 1)[:, : min(2, len(set(known[:, 0])))]
    weight = 1 / np.maximum(known[:, 1], 1)
    found = np.linalg.lstsq(matrix * weight[:, None], known[:, 1] * weight, rcond=None)[0]
    return max(0.0, float(found[0] * x + (found[1] if len(found) > 1 else 0.0)))
