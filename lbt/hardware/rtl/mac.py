"""Multiply-accumulate, and the systolic array that is made of it."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lbt.hardware.rtl.multiplier import multiply


class Mac(wiring.Component):
    """``total <= 0 if clear else total + a * b``, one cycle late; the accumulator wraps.

    The product has a register of its own, as in a DSP block: the adder is then an adder and not one more row of the
    multiplier's compression tree, which Yosys would build of three times the LUTs.

    Args:
        a_bits, b_bits: operand widths.
        accumulator: bits of ``total``.
        style: ``plain``, ``booth`` or ``dsp``.
    """

    def __init__(self, a_bits: int, b_bits: int, accumulator: int, style: str) -> None:
        self.style = style
        ports = {"a": In(signed(a_bits)), "b": In(signed(b_bits)), "clear": In(1), "total": Out(signed(accumulator))}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        product, clear = Signal(signed(len(self.a) + len(self.b))), Signal()
        m.d.sync += [product.eq(multiply(m, self.a, self.b, self.style)), clear.eq(self.clear)]
        with m.If(clear):
            m.d.sync += self.total.eq(0)
        with m.Else():
            m.d.sync += self.total.eq(self.total + product)
        return m


class MacArray(wiring.Component):
    """R × C output-stationary cells: ``a`` moves right, ``b`` moves down, one step a cycle; totals stay.

    The feeder delays row r of ``a`` by r cycles and column c of ``b`` by c cycles, so that a product with inner length
    T is complete after R + C + T − 2 cycles and the one that the product's register adds.

    Args:
        rows, cols: R and C.
        bits: width of both operands.
        accumulator: bits of a total.
        style: of the multipliers.
    """

    def __init__(self, rows: int, cols: int, bits: int, accumulator: int, style: str) -> None:
        self.rows, self.cols, self.style = rows, cols, style
        self.bits, self.accumulator = bits, accumulator
        ports = {
            "a": In(data.ArrayLayout(signed(bits), rows)),
            "b": In(data.ArrayLayout(signed(bits), cols)),
            "clear": In(1),
            "totals": Out(data.ArrayLayout(signed(accumulator), rows * cols)),
        }
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        across = [[Signal(signed(self.bits), name=f"a{r}_{c}") for c in range(self.cols)] for r in range(self.rows)]
        down = [[Signal(signed(self.bits), name=f"b{r}_{c}") for c in range(self.cols)] for r in range(self.rows)]
        for r in range(self.rows):
            for c in range(self.cols):
                cell = m.submodules[f"cell{r}_{c}"] = Mac(self.bits, self.bits, self.accumulator, self.style)
                a = self.a[r] if c == 0 else across[r][c - 1]
                b = self.b[c] if r == 0 else down[r - 1][c]
                m.d.comb += [cell.a.eq(a), cell.b.eq(b), cell.clear.eq(self.clear)]
                m.d.comb += self.totals[r * self.cols + c].eq(cell.total)
                m.d.sync += [across[r][c].eq(a), down[r][c].eq(b)]
        return m
