"""Random numbers, and dropping the low bits of a number: to nearest, or stochastic with a shift register or with the
trainer's counter hash.

Stochastic rounding adds a random number below one unit of the result and truncates. With r the top d of 24 random
bits, the trainer (:mod:`lbt.numerics.rounding`) rounds up where r is below the fraction f, which is the carry of f +
¬r.
"""

from __future__ import annotations

from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lbt.errors import LbtError
from lbt.hardware.rtl.requantize import saturate

TAPS = (32, 22, 2, 1)
"""x³² + x²² + x² + x + 1: a maximal-length polynomial (P. Alfke, Xilinx XAPP 052, table 3)."""

MIX = (0x7FEB352D, 0x846CA68B)
"""Multipliers of the trainer's hash."""


class Nearest(wiring.Component):
    """``y <= clamp(round(x / 2^(in_bits − out_bits)))``, ties to even."""

    def __init__(self, in_bits: int, out_bits: int) -> None:
        self.drop, self.out_bits = in_bits - out_bits, out_bits
        super().__init__({"x": In(signed(in_bits)), "y": Out(signed(max(2, out_bits)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        high, low = self.x >> self.drop, self.x[: self.drop]
        up, rounded = Signal(), Signal(signed(self.out_bits + 1))
        m.d.comb += up.eq(low[-1] & (low[:-1].any() | high[0]))
        m.d.comb += rounded.eq(high + Cat(up).as_unsigned())
        m.d.sync += self.y.eq(saturate(m, rounded, self.out_bits))
        return m


def round_up(m: Module, x: Value, drop: int, bits24: Value) -> Value:
    """⌊x / 2^drop⌋, plus one where the random number is below the fraction; ``drop`` is 1 to 24."""
    total = Signal(signed(len(x) + 1))
    m.d.comb += total.eq(x + (~bits24[24 - drop :]).as_unsigned())
    return total >> drop


class ShiftRegister(wiring.Component):
    """32 random bits from a linear feedback shift register that steps 32 times a cycle.

    A register that steps once brings one new bit a cycle, and neighbouring draws are alike (their correlation is 0.5).
    All 32 steps at once are one layer of XORs, and no bit is drawn twice. It is not what the trainer computes.

    Args:
        column: of the array, 0 to 4,095. Each starts 2^15 draws after the one before it; all of them are one period.

    Raises:
        LbtError: a column beyond.
    """

    def __init__(self, column: int = 0) -> None:
        super().__init__({"bits": Out(unsigned(32), init=start(column))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.bits.eq(Cat((self.bits & mask).xor() for mask in DRAW))
        return m


Linear = tuple[int, ...]
"""A linear map of 32 bits: for each new bit, the old ones (a mask) of which it is the XOR."""


def one_step() -> Linear:
    """The register's single step: every bit moves down, the XOR of the taps comes in at the top."""
    return (*(1 << place for place in range(1, 32)), sum(1 << (32 - tap) for tap in TAPS))


def after(first: Linear, second: Linear) -> Linear:
    """``second`` after ``first``."""
    return tuple(reduce(xor, (first[place] for place in range(32) if mask >> place & 1), 0) for mask in second)


def repeated(step: Linear, times: int) -> Linear:
    """``step`` so many times, by squaring."""
    result: Linear = tuple(1 << place for place in range(32))
    while times:
        if times & 1:
            result = after(result, step)
        step, times = after(step, step), times >> 1
    return result


def applied(step: Linear, state: int) -> int:
    """The state that follows ``state``."""
    return sum(((state & mask).bit_count() & 1) << place for place, mask in enumerate(step))


DRAW = repeated(one_step(), 32)
"""One draw: 32 steps."""
COLUMN = 2**15
"""Draws between the starts of neighbouring columns."""
COLUMNS = 2**32 // (32 * COLUMN)
"""Columns whose starts are different: those of one more would be the first one's again."""


def start(column: int) -> int:
    """The state with which a column's register begins."""
    if not 0 <= column < COLUMNS:
        raise LbtError(f"shift register: found column {column}; accepted: 0 to {COLUMNS - 1}")
    return applied(repeated(DRAW, column * COLUMN), 1)


class Lfsr(wiring.Component):
    """Stochastic rounding with the shift register."""

    def __init__(self, in_bits: int, out_bits: int) -> None:
        self.drop, self.out_bits = in_bits - out_bits, out_bits
        super().__init__({"x": In(signed(in_bits)), "y": Out(signed(max(2, out_bits)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.register = register = ShiftRegister()
        rounded = round_up(m, self.x, self.drop, register.bits[:24])
        m.d.sync += self.y.eq(saturate(m, rounded, self.out_bits))
        return m


def times(m: Module, x: Value, constant: int) -> Value:
    """``x · constant`` modulo 2^len(x), as one addition or subtraction per nonzero signed digit of the constant.

    The digits are the non-adjacent form (G. W. Reitwiesner 1960): the fewest there are, a third of the positions.
    """
    width = len(x)
    total: Value = Const(0, width)
    for place in range(width):
        digit = (2 - constant % 4) if constant % 2 else 0
        constant = (constant - digit) // 2
        if digit:
            partial = Signal(width)
            m.d.comb += partial.eq(total + (x << place) if digit > 0 else total - (x << place))
            total = partial
    return total


class CounterHash(wiring.Component):
    """The trainer's 32-bit hash of an element index under a 64-bit key, one result a cycle, three cycles late."""

    def __init__(self) -> None:
        ports = {name: In(unsigned(32)) for name in ("index", "first", "second")}
        super().__init__(ports | {"hash": Out(unsigned(32))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        start, mixed, product, last = (Signal(32, name=n) for n in ("start", "mixed", "product", "last"))
        m.d.sync += start.eq(self.index + self.first)
        m.d.comb += mixed.eq(start ^ (start >> 16))
        m.d.sync += product.eq(times(m, mixed, MIX[0]) ^ self.second)
        m.d.comb += last.eq(product ^ (product >> 15))
        final = Signal(32)
        m.d.sync += final.eq(times(m, last, MIX[1]))
        m.d.comb += self.hash.eq(final ^ (final >> 16))
        return m


class Hash(wiring.Component):
    """Stochastic rounding with the counter hash: bit for bit what the trainer computes, four cycles late."""

    def __init__(self, in_bits: int, out_bits: int) -> None:
        self.drop, self.out_bits = in_bits - out_bits, out_bits
        ports = {"x": In(signed(in_bits)), "y": Out(signed(max(2, out_bits))), "index": In(unsigned(32))}
        super().__init__(ports | {"first": In(unsigned(32)), "second": In(unsigned(32))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.hash = unit = CounterHash()
        m.d.comb += [unit.index.eq(self.index), unit.first.eq(self.first), unit.second.eq(self.second)]
        waiting: Value = self.x
        for stage in range(3):
            held = Signal(signed(len(self.x)), name=f"x{stage}")
            m.d.sync += held.eq(waiting)
            waiting = held
        rounded = round_up(m, waiting, self.drop, unit.hash[8:])
        m.d.sync += self.y.eq(saturate(m, rounded, self.out_bits))
        return m
