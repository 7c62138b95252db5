"""The update: SGD with momentum on integer master weights, rounded stochastically with given random bits.

v ← clamp((μ·v + 2⁸·g) >> 8)        μ in 1/256
w ← clamp(w − ((η·v + r) >> 16))    η in 2⁻¹⁶, r a random number of 16 bits
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lbt.hardware.rtl.requantize import saturate

MOMENTUM = 8
"""Fraction bits of μ."""
RATE = 16
"""Fraction bits of η and number of random bits."""


class Update(wiring.Component):
    """One weight a cycle, two cycles late.

    Args:
        bits: width of the master weight and of the momentum.
        gradient: width of the gradient.
    """

    def __init__(self, bits: int, gradient: int) -> None:
        self.bits = bits
        ports = {
            "w": In(signed(bits)),
            "v": In(signed(bits)),
            "g": In(signed(gradient)),
            "mu": In(unsigned(MOMENTUM)),
            "eta": In(unsigned(RATE)),
            "random": In(unsigned(RATE)),
            "w_next": Out(signed(bits)),
            "v_next": Out(signed(bits)),
        }
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        moved, v, w, random, eta = (
            Signal(signed(self.bits + MOMENTUM + 2)),
            Signal(signed(self.bits)),
            Signal(signed(self.bits)),
            Signal(RATE),
            Signal(RATE),
        )
        m.d.comb += moved.eq((self.v * self.mu + (self.g << MOMENTUM)) >> MOMENTUM)
        m.d.sync += [v.eq(saturate(m, moved, self.bits)), w.eq(self.w), random.eq(self.random), eta.eq(self.eta)]
        step, result = Signal(signed(self.bits + RATE + 2)), Signal(signed(self.bits + 2))
        m.d.comb += step.eq(v * eta + random)
        m.d.comb += result.eq(w - (step >> RATE))
        m.d.sync += [self.w_next.eq(saturate(m, result, self.bits)), self.v_next.eq(v)]
        return m
