"""Division and square root of a batch norm's lane, one digit a cycle, once or a few times per channel.

Both restore: a trial difference is kept if it is not negative, and its sign is the next bit of the result. A quotient
takes one bit of ``x`` a cycle and subtracts ``divisor``; a root takes two and subtracts the root so far with the digits
01 behind it. One subtractor serves both. A signed mean is divided in offset binary, so that no sign is needed:
(Σx + n·2^k)/n − 2^k.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

STYLES = ("quotient", "root")
"""⌊x / divisor⌋ alone; that, and ⌊√x⌋ wherever ``root`` is high."""


class Divider(wiring.Component):
    """``y = ⌊x / divisor⌋`` or ``⌊√x⌋``, ``bits`` or ``bits / 2`` cycles after ``start`` was high for one.

    Args:
        bits: width of the unsigned ``x``, ``divisor`` and ``y``, even; a divisor of 0 gives ones. ``divisor`` and
            ``root`` are held until ``y`` is read.
        style: one of :data:`STYLES`.
    """

    def __init__(self, bits: int, style: str) -> None:
        self.bits, self.has_root = bits, style == "root"
        ports = {"start": In(1), "x": In(bits), "divisor": In(bits), "y": Out(unsigned(bits))}
        super().__init__(ports | ({"root": In(1)} if self.has_root else {}))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits, root = self.bits, self.root if self.has_root else Const(0)
        rest, left = Signal(bits), Signal(bits)  # what is still to be divided; digits of x that are to come
        moved, taken = Signal(bits + 2), Signal(bits + 2)
        trial = Signal(bits + 3)
        m.d.comb += [
            moved.eq(Mux(root, Cat(left[-2:], rest), Cat(left[-1:], rest))),
            taken.eq(Mux(root, Cat(Const(1, 2), self.y), self.divisor)),
            trial.eq(moved - taken),
        ]
        negative = trial[-1]
        with m.If(self.start):
            m.d.sync += [rest.eq(0), left.eq(self.x), self.y.eq(0)]
        with m.Else():
            m.d.sync += [
                rest.eq(Mux(negative, moved, trial)),
                left.eq(Mux(root, left << 2, left << 1)),
                self.y.eq(Cat(~negative, self.y)),
            ]
        return m
