"""Energy of arithmetic and memory in 45 nm (M. Horowitz, "Computing's Energy Problem", ISSCC 2014, figure 1.1.9).

The figure gives integers of 8 and 32 bits and floats of 16 and 32. Other widths follow a power law through its two
points: additions b^0.87, integer multiplications b^1.97, so about linear and quadratic, as their areas are; floats by
their significand. Such numbers are marked as interpolated. An FPGA spends more in absolute terms; ratios are what this
is for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log

from lbt.hardware.precision import Number, shifts


@dataclass(frozen=True)
class Energy:
    """Picojoules, and whether they are the figure's own number or interpolated."""

    pj: float
    interpolated: bool = False


INTEGER_ADD = {8: 0.03, 32: 0.1}
INTEGER_MULTIPLY = {8: 0.2, 32: 3.1}
FLOAT_ADD = {16: 0.4, 32: 0.9}
FLOAT_MULTIPLY = {16: 1.1, 32: 3.7}
CACHE = {8 * 1024: 10.0, 32 * 1024: 20.0, 1024 * 1024: 100.0}
"""pJ of an access of 64 bits to a memory of that many bytes."""
DRAM = 1300.0
"""pJ of an access of 64 bits (the figure says 1,300 to 2,600; the lower end is taken)."""
WORD = 8
"""Bytes of the figure's memory access."""


def add(number: Number) -> Energy:
    """One addition."""
    return _float(FLOAT_ADD, number) if number.is_float else _power(INTEGER_ADD, number.width)


def accumulate(number: Number, bits: int) -> Energy:
    """One addition into an accumulator of ``bits`` bits; products of floats accumulate in float32."""
    return Energy(FLOAT_ADD[32]) if number.is_float else _power(INTEGER_ADD, bits)


def multiply(x: Number, y: Number) -> Energy:
    """One multiplication; of two integer widths the geometric mean counts, as the area is their product."""
    if bits := shifts(x, y):  # a shifter counts as an adder of the result's width
        return replace(_power(INTEGER_ADD, bits), interpolated=True)
    if x.is_float or y.is_float:
        return _float(FLOAT_MULTIPLY, x if x.width * x.is_float >= y.width * y.is_float else y)
    return _power(INTEGER_MULTIPLY, (x.width * y.width) ** 0.5)


def mac(x: Number, y: Number, accumulator: int) -> Energy:
    """One multiply-accumulate."""
    product = multiply(x, y)
    total = _power(INTEGER_ADD, accumulator) if shifts(x, y) else accumulate(x if x.is_float else y, accumulator)
    return Energy(product.pj + total.pj, product.interpolated or total.interpolated)


def sram(bytes_: float, capacity: float) -> Energy:
    """``bytes_`` moved to or from an on-chip memory of ``capacity`` bytes (at least 8 KB)."""
    access = _power(CACHE, min(max(capacity, 8 * 1024), 1024 * 1024))
    return Energy(access.pj * bytes_ / WORD, access.interpolated)


def dram(bytes_: float) -> Energy:
    """``bytes_`` moved to or from external memory."""
    return Energy(DRAM * bytes_ / WORD)


def _power(table: dict[int, float], size: float) -> Energy:
    """The table's entry, or the power law through the two entries nearest to ``size``."""
    if size in table:
        return Energy(table[int(size)])
    points = sorted(table)
    low = max([p for p in points[:-1] if p <= size], default=points[0])
    high = points[points.index(low) + 1]
    exponent = log(table[high] / table[low]) / log(high / low)
    return Energy(table[low] * (size / low) ** exponent, True)


def _float(table: dict[int, float], number: Number) -> Energy:
    """The figure's number for fp16 and fp32; else the power law through them in the significand's bits (11, 24)."""
    named = {(5, 10): 16, (8, 23): 32}.get((number.exponent, number.mantissa))
    if named:
        return Energy(table[named])
    return Energy(_power({11: table[16], 24: table[32]}, number.mantissa + 1).pj, True)
