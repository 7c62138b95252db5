"""Bringing an accumulator to fewer bits with a scale: by a shift, or by a multiplier and a shift.

What they compute is :func:`lbt.fixed.requantize.requantize`, bit for bit. The ``stochastic`` styles round either
way, as a column of the array must: activations to nearest, errors and gradients with 32 random bits r. With f the top
32 of the bits that are shifted out, f + r carries with probability f / 2³²: that carry is the rounding.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lbt.hardware.rtl.multiplier import multiply

MULTIPLIER_BITS = 16
"""Width of the unsigned multiplier."""
RANDOM_BITS = 32
"""Random bits that are compared with the bits shifted out."""

STYLES = ("shift", "multiplier", "shift_stochastic", "multiplier_stochastic")


def saturate(m: Module, value: Value, bits: int) -> Value:
    """``value`` clamped to −(2^(bits−1) − 1) … 2^(bits−1) − 1, the codes of a symmetric integer."""
    largest = max(1, 2 ** (bits - 1) - 1)
    held = Signal(signed(max(2, bits)))
    m.d.comb += held.eq(Mux(value > largest, largest, Mux(value < -largest, -largest, value)))
    return held


def shift_right(m: Module, value: Value, amount: Value) -> tuple[Value, Value, Value]:
    """(value >> amount, first bit shifted out, whether any later one is set), one multiplexer level per bit of
    amount.
    """
    width = len(value)
    guard, sticky = Const(0, 1), Const(0, 1)
    for level in reversed(range(len(amount))):
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


def shift_nearest(m: Module, value: Value, amount: Value) -> Value:
    """``value`` / 2^amount to the nearest whole number, ties to even."""
    low, guard, sticky = shift_right(m, value, amount)
    rounded = Signal(signed(len(value) + 1))
    m.d.comb += rounded.eq(low + Cat(guard & (sticky | low[0])).as_unsigned())
    return rounded


class Requantizer(wiring.Component):
    """``y <= clamp(round(x · multiplier / 2^shift))``: one cycle late, two with a multiplier.

    Args:
        in_bits: width of ``x``.
        out_bits: width of ``y``, symmetric.
        style: one of :data:`STYLES`: without a multiplier or with one; ties to even, or with 32 ``random`` bits
            wherever ``nearest`` is low.
    """

    def __init__(self, in_bits: int, out_bits: int, style: str) -> None:
        self.out_bits = out_bits
        self.multiplies, self.stochastic = style.startswith("multiplier"), style.endswith("stochastic")
        self.width = in_bits + (MULTIPLIER_BITS if self.multiplies else 0)
        levels = (self.width - 1).bit_length()
        ports = {"x": In(signed(in_bits)), "shift": In(unsigned(levels)), "y": Out(signed(max(2, out_bits)))}
        if self.multiplies:
            ports["multiplier"] = In(unsigned(MULTIPLIER_BITS))
        if self.stochastic:
            ports |= {"random": In(unsigned(RANDOM_BITS)), "nearest": In(1)}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        scaled, amount = Signal(signed(self.width)), Signal.like(self.shift, name="amount")
        # the multiplier has a register of its own; what belongs to the same element waits beside it
        now = m.d.sync if self.multiplies else m.d.comb
        if self.multiplies:
            factor = Cat(self.multiplier, Const(0, 1)).as_signed()
            now += [scaled.eq(multiply(m, self.x, factor, "booth")), amount.eq(self.shift)]
        else:
            now += [scaled.eq(self.x), amount.eq(self.shift)]
        if self.stochastic:
            random, nearest = Signal(RANDOM_BITS), Signal()
            now += [random.eq(self.random), nearest.eq(self.nearest)]
            rounded = self._either(m, scaled, amount, random, nearest)
        else:
            rounded = shift_nearest(m, scaled, amount)
        m.d.sync += self.y.eq(saturate(m, rounded, self.out_bits))
        return m

    def _either(self, m: Module, scaled: Value, amount: Value, random: Value, nearest: Value) -> Value:
        """Rounded to nearest or by the carry of the fraction and the random number."""
        long = Cat(Const(0, RANDOM_BITS), scaled).as_signed()
        shifted, guard, sticky = shift_right(m, long, amount)
        fraction, whole = shifted[:RANDOM_BITS], shifted[RANDOM_BITS:].as_signed()
        carry, up = Signal(RANDOM_BITS + 1), Signal()
        even = fraction[-1] & (fraction[:-1].any() | guard | sticky | whole[0])
        m.d.comb += [carry.eq(fraction + random), up.eq(Mux(nearest, even, carry[-1]))]
        rounded = Signal(signed(self.width + 1))
        m.d.comb += rounded.eq(whole + Cat(up).as_unsigned())
        return rounded
