"""Bringing an accumulator to fewer bits with a scale: by a shift, or by a multiplier and a shift."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

MULTIPLIER_BITS = 16
"""Width of the unsigned multiplier."""


def saturate(m: Module, value: Value, bits: int) -> Value:
    """``value`` clamped to −(2^(bits−1) − 1) … 2^(bits−1) − 1, the codes of a symmetric integer."""
    largest = max(1, 2 ** (bits - 1) - 1)
    held = Signal(signed(max(2, bits)))
    m.d.comb += held.eq(Mux(value > largest, largest, Mux(value < -largest, -largest, value)))
    return held


def shift_right(m: Module, value: Value, amount: Value, levels: int) -> tuple[Value, Value, Value]:
    """(value >> amount, first bit shifted out, whether any later one is set), one multiplexer level per bit of
    amount.
    """
    width = len(value)
    guard, sticky = Const(0, 1), Const(0, 1)
    for level in reversed(range(levels)):
        step = min(1 << level, width)
        shifted, next_guard, next_sticky = Signal(signed(width)), Signal(), Signal()
        lost = value[: step - 1].any() if step > 1 else Const(0, 1)
        m.d.comb += [
            shifted.eq(Mux(amount[level], value >> step, value)),
            next_guard.eq(Mux(amount[level], value[step - 1], guard)),
            next_sticky.eq(Mux(amount[level], lost | guard | sticky, sticky)),
        ]
        value, guard, sticky = shifted, next_guard, next_sticky
    return value, guard, sticky


class Requantizer(wiring.Component):
    """``y <= clamp(round(x · multiplier / 2^shift))``, ties to even; without a multiplier in style ``shift``.

    Args:
        in_bits: width of ``x``.
        out_bits: width of ``y``, symmetric.
        style: ``shift`` or ``multiplier``.
    """

    def __init__(self, in_bits: int, out_bits: int, style: str) -> None:
        self.style, self.out_bits = style, out_bits
        self.width = in_bits + (MULTIPLIER_BITS if style == "multiplier" else 0)
        self.levels = (self.width - 1).bit_length()
        ports = {"x": In(signed(in_bits)), "shift": In(unsigned(self.levels)), "y": Out(signed(max(2, out_bits)))}
        if style == "multiplier":
            ports["multiplier"] = In(unsigned(MULTIPLIER_BITS))
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        scaled, amount = Signal(signed(self.width)), Signal(self.levels)
        if self.style == "multiplier":
            m.d.sync += [scaled.eq(self.x * self.multiplier), amount.eq(self.shift)]
        else:
            m.d.comb += [scaled.eq(self.x), amount.eq(self.shift)]
        low, guard, sticky = shift_right(m, scaled, amount, self.levels)
        rounded = Signal(signed(self.width + 1))
        m.d.comb += rounded.eq(low + Cat(guard & (sticky | low[0])).as_unsigned())
        m.d.sync += self.y.eq(saturate(m, rounded, self.out_bits))
        return m
