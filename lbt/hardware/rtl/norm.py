"""Lanes of batch norm: what one column of the array needs to keep up with one element a cycle.

A lane gathers its channel's statistics in one pass and applies y = (a·x + b) >> 16 in another; a and b come from the
unit that the lanes share (a division, and a root where the variant needs one, once per channel). Going back, it sums
Σdy and Σdy·x and forms the error: with all of batch norm's terms dx = (a·dy + k·x + c) >> 16, or with mean and
variance as constants dx = (a·dy) >> 16. One multiplier serves both directions (``back`` selects). Multipliers are
Booth rows.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lbt.hardware.rtl.multiplier import multiply

COEFFICIENT = 16
"""Bits of a, k and of the fraction that is dropped."""
OFFSET = 32
"""Bits of b and c, where x is of up to 16 bits; beyond, those of a·x."""

STYLES = ("full_bn", "range_bn", "affine_bn")
"""Σx² and the full error; maximum and minimum and the full error; Σx² and the error without batch terms."""


class NormLane(wiring.Component):
    """One lane.

    Args:
        bits: width of x, dy and the result.
        style: one of :data:`STYLES`.
        sums: width of the sums: 2·bits + ⌈log₂ n⌉ for channels of n elements (:func:`lbt.hardware.widths.norm_sum`).
    """

    def __init__(self, bits: int, style: str, sums: int) -> None:
        self.bits, self.style = bits, style
        offset = max(OFFSET, bits + COEFFICIENT)
        ports = {
            "x": In(signed(bits)),
            "dy": In(signed(bits)),
            "a": In(signed(COEFFICIENT)),
            "b": In(signed(offset)),
            "back": In(1),
            "clear": In(1),
            "y": Out(signed(bits + COEFFICIENT)),
            "total": Out(signed(sums)),
            "product": Out(signed(sums)),
        }
        if style == "range_bn":
            ports |= {"largest": Out(signed(bits)), "smallest": Out(signed(bits))}
        if style != "affine_bn":
            ports["k"] = In(signed(COEFFICIENT))
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        moving = Signal(signed(self.bits))
        m.d.comb += moving.eq(Mux(self.back, self.dy, self.x))
        squares = self.style != "range_bn"
        if squares:  # Σx² forward, Σdy·x backward
            step = multiply(m, moving, self.x, "booth")
        else:  # Σdy·x backward only
            step = Mux(self.back, multiply(m, self.dy, self.x, "booth"), 0)
        with m.If(self.clear):
            m.d.sync += [self.total.eq(0), self.product.eq(0)]
        with m.Else():
            m.d.sync += [self.total.eq(self.total + moving), self.product.eq(self.product + step)]
        if self.style == "range_bn":
            low, high = -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1
            with m.If(self.clear):
                m.d.sync += [self.largest.eq(low), self.smallest.eq(high)]
            with m.Else():
                m.d.sync += self.largest.eq(Mux(self.x > self.largest, self.x, self.largest))
                m.d.sync += self.smallest.eq(Mux(self.x < self.smallest, self.x, self.smallest))
        scaled = Signal(signed(len(self.b) + 2))
        m.d.comb += scaled.eq(multiply(m, self.a, moving, "booth") + self.b)
        if self.style != "affine_bn":
            whole = Signal(signed(len(self.b) + 2))
            m.d.comb += whole.eq(scaled + Mux(self.back, multiply(m, self.k, self.x, "booth"), 0))
            m.d.sync += self.y.eq(whole >> COEFFICIENT)
        else:
            m.d.sync += self.y.eq(scaled >> COEFFICIENT)
        return m
