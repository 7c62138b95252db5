"""A unit between registers, as it is placed: one pin shifts its inputs in, one shifts its results out."""

from __future__ import annotations

from lbt.errors import LbtError
from lbt.hardware.rtl.grid import Unit, build


def harness(unit: Unit) -> str:
    """RTLIL of the unit between shift registers, the module ``unit``."""
    try:
        from amaranth.back import rtlil
        from amaranth.hdl import Cat, Module, Signal, Value
        from amaranth.lib import wiring
        from amaranth.lib.wiring import In, Out
    except ModuleNotFoundError:
        raise LbtError("place and route needs amaranth; install it with: pip install 'lbt[rtl]'") from None

    class Harness(wiring.Component):
        """Registers in front of a unit and behind it."""

        def __init__(self) -> None:
            super().__init__({"shift": In(1), "load": In(1), "result": Out(1)})

        def elaborate(self, platform: object) -> Module:
            m = Module()
            m.submodules.unit = inner = build(unit)
            members = inner.signature.members.items()
            inputs = [Value.cast(getattr(inner, name)) for name, member in members if member.flow == In]
            outputs = Cat(*(Value.cast(getattr(inner, name)) for name, member in members if member.flow == Out))
            fed, kept = Signal(sum(len(one) for one in inputs)), Signal(len(outputs))
            m.d.sync += [fed.eq(Cat(self.shift, fed)), kept.eq(kept >> 1)]
            m.d.comb += [Cat(*inputs).eq(fed), self.result.eq(kept[0])]
            with m.If(self.load):
                m.d.sync += kept.eq(outputs)
            return m

    return rtlil.convert(Harness(), name="unit", emit_src=False)
