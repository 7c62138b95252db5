"""The update: SGD with momentum on integer master weights with a stochastic step, bit for bit that of
:class:`lbt.fixed.update.IntegerSGD` without weight decay.

    v ← clamp(⌊μ·v / 2¹⁵⌉ + ⌊g · 2¹⁶ / 2^drop⌉)     μ in 2⁻¹⁵; ⌊·⌉ to nearest, ties to even
    w ← clamp(w − ⌊(η·v + r) / 2¹⁵⌋)                  η in 2⁻¹⁵; r: the top 15 of 32 random bits
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lbt.hardware.rtl.multiplier import multiply
from lbt.hardware.rtl.requantize import RANDOM_BITS, saturate, shift_nearest

FRACTION = 15
"""Fraction bits of η and μ, both 0 … 1."""
LIFT = 16
"""The gradient's unit may be up to 2^16 weight units: it is shifted up by so much, then down by ``drop``."""
DROP_BITS = 7
"""Width of ``drop``: 16 minus the exponent of the gradient's unit over the weight's, 0 to 78."""


class Update(wiring.Component):
    """One weight a cycle, two cycles late.

    Args:
        bits: width of the master weight.
        gradient: width of the gradient.
        velocity: width of the momentum.
    """

    def __init__(self, bits: int, gradient: int, velocity: int) -> None:
        self.bits, self.velocity = bits, velocity
        ports = {
            "w": In(signed(bits)),
            "v": In(signed(velocity)),
            "g": In(signed(gradient)),
            "drop": In(unsigned(DROP_BITS)),
            "mu": In(unsigned(FRACTION + 1)),
            "eta": In(unsigned(FRACTION + 1)),
            "random": In(unsigned(RANDOM_BITS)),
            "w_next": Out(signed(bits)),
            "v_next": Out(signed(velocity)),
        }
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        mu, eta = (Cat(x, Const(0, 1)).as_signed() for x in (self.mu, self.eta))
        kept = shift_nearest(m, multiply(m, self.v, mu, "booth"), Const(FRACTION, FRACTION.bit_length()))
        moved = kept + shift_nearest(m, Cat(Const(0, LIFT), self.g).as_signed(), self.drop)
        v, w, rate, random = Signal.like(self.v), Signal.like(self.w), Signal.like(eta), Signal(FRACTION)
        m.d.sync += [
            v.eq(saturate(m, moved, self.velocity)),
            w.eq(self.w),
            rate.eq(eta),
            random.eq(self.random[-FRACTION:]),
        ]
        step = (multiply(m, v, rate, "booth") + random) >> FRACTION
        m.d.sync += [self.w_next.eq(saturate(m, w - step, self.bits)), self.v_next.eq(v)]
        return m
