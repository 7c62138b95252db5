"""Signed multipliers in two styles, as combinational expressions, and a registered unit around each.

``plain`` hands ``a * b`` to the synthesiser. ``booth`` writes radix-4 Booth rows (A. D. Booth 1951; O. MacSorley
1961): each row adds −2a, −a, 0, a or 2a to the running sum, and on a device with 6-input LUTs the digit's choice
shares the adder's LUTs on the carry chain, so that a row costs k_a + 1 LUTs. ``dsp`` is ``plain`` with DSP blocks
allowed.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


def multiply(m: Module, a: Value, b: Value, style: str) -> Value:
    """The signed product of two signals, len(a) + len(b) bits.

    Args:
        m: the module that intermediate signals belong to.
        a, b: signed signals; with ``booth``, ``b`` is recoded.
        style: ``plain``, ``dsp`` (the same expression) or ``booth``.
    """
    if style == "booth":
        return _booth(m, a, b)
    product = Signal(signed(len(a) + len(b)))
    m.d.comb += product.eq(a * b)
    return product


def _booth(m: Module, a: Value, b: Value) -> Value:
    ka, kb = len(a), len(b)
    rows = -(-kb // 2)
    padded = Cat(Const(0, 1), b, *[b[-1]] * (2 * rows - kb))
    total: Value = Const(0, signed(ka + 2))
    low: list[Value] = []
    for row in range(rows):
        # digit = b[2i-1] + b[2i] - 2·b[2i+1]; -2a and -a are the inverse plus one
        below, middle, negative = (padded[2 * row + i] for i in range(3))
        double = Mux(negative, ~(middle | below), middle & below)
        names = ("magnitude", "term", "held")
        magnitude, term, held = (Signal(signed(ka + 2), name=f"{name}{row}") for name in names)
        m.d.comb += magnitude.eq(Mux(middle ^ below, a, Mux(double, a << 1, 0)))
        m.d.comb += [term.eq(Mux(negative, ~magnitude, magnitude)), held.eq(total)]
        # the plus one enters as a carry out of an extra lowest bit, negative + negative, which needs no LUT
        left, right, wide = (Signal(ka + 3, name=f"{name}{row}") for name in ("left", "right", "wide"))
        m.d.comb += [left.eq(Cat(negative, held)), right.eq(Cat(negative, term)), wide.eq(left + right)]
        sum_ = Signal(signed(ka + 2), name=f"sum{row}")
        m.d.comb += sum_.eq(wide[1:])
        low.append(sum_[:2])
        total = sum_ >> 2
    product = Signal(signed(ka + kb))
    m.d.comb += product.eq(Cat(*low, total)[: ka + kb])
    return product


class Multiplier(wiring.Component):
    """``p <= a * b``.

    Args:
        a_bits, b_bits: operand widths, 1 to 32.
        style: ``plain``, ``booth`` or ``dsp``.
    """

    def __init__(self, a_bits: int, b_bits: int, style: str) -> None:
        self.style = style
        super().__init__({"a": In(signed(a_bits)), "b": In(signed(b_bits)), "p": Out(signed(a_bits + b_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.p.eq(multiply(m, self.a, self.b, self.style))
        return m
