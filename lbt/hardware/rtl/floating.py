"""Floating-point multiplier and adder for any ⟨E,M⟩, as small accelerators build them.

Round to nearest, ties to even. Subnormal numbers are read as zero and written as zero; the largest exponent is infinity
(there is no NaN: infinity minus infinity is infinity). Bits: sign, exponent, mantissa, from the top.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lbt.hardware.rtl.multiplier import multiply


def _fields(x: Value, exponent: int, mantissa: int) -> tuple[Value, Value, Value, Value]:
    """Sign, exponent, significand with its hidden one, and whether the number is zero."""
    power = x[mantissa : mantissa + exponent]
    return x[-1], power, Cat(x[:mantissa], Const(1, 1)), power == 0


def _packed(
    m: Module, sign: Value, power: Value, rounded: Value, zero: Value, infinite: Value, exponent: int, mantissa: int
) -> Value:
    """The number sign · rounded · 2^power, where ``rounded`` has mantissa + 2 bits and may have carried."""
    carried, field = rounded[-1], Signal(mantissa)
    real_power = Signal(signed(exponent + 2))
    top = 2**exponent - 1
    m.d.comb += real_power.eq(power + Cat(carried).as_unsigned())
    m.d.comb += field.eq(Mux(carried, rounded[1 : mantissa + 1], rounded[:mantissa]))
    overflow, underflow = Signal(), Signal()
    m.d.comb += overflow.eq(infinite | (real_power >= top))
    m.d.comb += underflow.eq(~infinite & (zero | (real_power <= 0)))
    body = Mux(underflow, 0, Mux(overflow, top << mantissa, Cat(field, real_power[:exponent])))
    return Cat(body[: mantissa + exponent], sign)


class FloatMultiplier(wiring.Component):
    """``p <= a * b``.

    Args:
        exponent, mantissa: stored bits of both operands and the result.
        style: build of the significands' multiplier: ``plain``, ``booth`` or ``dsp``.
    """

    def __init__(self, exponent: int, mantissa: int, style: str) -> None:
        self.exponent, self.mantissa, self.style = exponent, mantissa, style
        bits = 1 + exponent + mantissa
        super().__init__({"a": In(bits), "b": In(bits), "p": Out(bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        e, k = self.exponent, self.mantissa
        sign_a, power_a, one_a, zero_a = _fields(self.a, e, k)
        sign_b, power_b, one_b, zero_b = _fields(self.b, e, k)
        product = Signal(2 * k + 2)
        if self.style == "booth":  # of signed numbers: a zero in front
            one_a, one_b = (Cat(x, Const(0, 1)).as_signed() for x in (one_a, one_b))
            m.d.comb += product.eq(multiply(m, one_a, one_b, "booth"))
        else:
            m.d.comb += product.eq(one_a * one_b)
        high = product[-1]
        kept, rest = Signal(k + 1), Signal(k + 1)  # rest: the bits below, left-aligned
        m.d.comb += kept.eq(Mux(high, product[k + 1 :], product[k : 2 * k + 1]))
        m.d.comb += rest.eq(Mux(high, product[: k + 1], product[:k] << 1))
        rounded = Signal(k + 2)
        m.d.comb += rounded.eq(kept + (rest[-1] & (rest[:-1].any() | kept[0])))
        power = Signal(signed(e + 2))
        m.d.comb += power.eq(power_a + power_b - (2 ** (e - 1) - 1) + high)
        infinite = power_a.all() | power_b.all()
        zero = zero_a | zero_b
        m.d.sync += self.p.eq(_packed(m, sign_a ^ sign_b, power, rounded, zero, infinite, e, k))
        return m


class FloatAdder(wiring.Component):
    """``s <= a + b``.

    Args:
        exponent, mantissa: stored bits of both operands and the result.
    """

    def __init__(self, exponent: int, mantissa: int) -> None:
        self.exponent, self.mantissa = exponent, mantissa
        bits = 1 + exponent + mantissa
        super().__init__({"a": In(bits), "b": In(bits), "s": Out(bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        e, k = self.exponent, self.mantissa
        swap = Signal()
        m.d.comb += swap.eq(self.a[:-1] < self.b[:-1])
        big, small = Signal(1 + e + k), Signal(1 + e + k)
        m.d.comb += [big.eq(Mux(swap, self.b, self.a)), small.eq(Mux(swap, self.a, self.b))]
        sign, power, one, zero = _fields(big, e, k)
        sign_small, power_small, one_small, zero_small = _fields(small, e, k)
        # three bits below: guard, round, sticky
        wide = k + 4
        distance, aligned = Signal(e), Signal(wide)
        m.d.comb += distance.eq(power - power_small)
        m.d.comb += aligned.eq(_shifted_sticky(m, Cat(Const(0, 3), one_small), distance, zero_small))
        total = Signal(wide + 1)
        extended = Cat(Const(0, 3), one)
        m.d.comb += total.eq(Mux(sign ^ sign_small, extended - aligned, extended + aligned))
        # normalise: the first one moves to the top bit
        count, normal = _normalised(m, total)
        rounded, real_power = Signal(k + 2), Signal(signed(e + 2))
        kept, rest = normal[4:], normal[:4]
        m.d.comb += rounded.eq(kept + (rest[-1] & (rest[:-1].any() | kept[0])))
        m.d.comb += real_power.eq(power - count + 1)
        nothing = zero | (total == 0)
        sign_out = Mux(nothing, sign & sign_small, sign)
        m.d.sync += self.s.eq(_packed(m, sign_out, real_power, rounded, nothing, power.all(), e, k))
        return m


def _shifted_sticky(m: Module, value: Value, amount: Value, empty: Value) -> Value:
    """``value >> amount`` with the lowest bit set if any one was lost; 0 if ``empty``."""
    width = len(value)
    start = Signal(width)
    m.d.comb += start.eq(Mux(empty, 0, value))
    value = start
    for level in reversed(range(len(amount))):
        step = min(1 << level, width)
        moved = Signal(width)
        lost = value[:step].any()
        m.d.comb += moved.eq(Mux(amount[level], (value >> step) | lost, value))
        value = moved
    return value


def _normalised(m: Module, value: Value) -> tuple[Value, Value]:
    """Distance of the first one from the top, and ``value`` shifted so that it is there."""
    width = len(value)
    levels = (width - 1).bit_length()
    count = Signal(levels)
    for level in reversed(range(levels)):
        step = 1 << level
        if step >= width:
            continue
        empty, moved = Signal(), Signal(width)
        m.d.comb += [empty.eq(value[width - step :] == 0), moved.eq(Mux(empty, value << step, value))]
        m.d.comb += count[level].eq(empty)
        value = moved
    return count, value
