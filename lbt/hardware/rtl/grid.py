"""Units of the shipped library, and building each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lbt.errors import LbtError, unknown

TARGETS = ("xc7", "xcup", "ecp5")
"""7-series and UltraScale+ through ``synth_xilinx``, and an open LUT4 target through ``synth_ecp5``."""

STYLES = {
    "multiplier": ("plain", "booth", "dsp"),
    "mac": ("plain", "booth", "dsp"),
    "requantize": ("shift", "multiplier", "shift_stochastic", "multiplier_stochastic"),
    "random": ("lfsr", "hash"),
    "round": ("nearest", "lfsr", "hash"),
    "float_multiplier": ("plain", "booth", "dsp"),
    "float_adder": ("plain",),
    "norm": ("full_bn", "range_bn", "affine_bn"),
    "divide": ("quotient", "root"),
    "update": ("booth",),
    "array": ("booth",),
}
"""Kinds of units and their styles. Only the style ``dsp`` may use DSP blocks."""


@dataclass(frozen=True, order=True)
class Unit:
    """One unit.

    Attributes:
        kind: a key of :data:`STYLES`.
        style: one of its styles.
        target: one of :data:`TARGETS`.
        a, b: multiplier and mac: operand widths; requantize and round: width in and out; random: 32, 0; float:
            exponent and mantissa bits; norm and divide: width, 0; update: width of the master weight and of the
            gradient; array: operand width, cells a side.
        c: mac and array: accumulator width; norm: width of its sums; update: width of the velocity; else 0.
    """

    kind: str
    style: str
    target: str
    a: int
    b: int
    c: int = 0

    def __post_init__(self) -> None:
        if self.kind not in STYLES:
            raise unknown("unit", self.kind, STYLES)
        if self.style not in STYLES[self.kind]:
            raise unknown(f"style of {self.kind}", self.style, STYLES[self.kind])
        if self.target not in TARGETS:
            raise unknown("synthesis target", self.target, TARGETS)
        if not 1 <= self.a <= 64 or not 0 <= self.b <= 64 or not 0 <= self.c <= 96:
            raise LbtError(f"{self.kind}: found widths {self.a}, {self.b}, {self.c}; accepted: 1 to 64, sums to 96")

    @property
    def name(self) -> str:
        """``mac-booth-xc7-8-8-32``."""
        return f"{self.kind}-{self.style}-{self.target}-{self.a}-{self.b}-{self.c}"


def build(unit: Unit) -> Any:
    """The Amaranth component of a unit."""
    from lbt.hardware.rtl import divide, floating, mac, multiplier, norm, requantize, rounding, update

    match unit.kind, unit.style:
        case "multiplier", style:
            return multiplier.Multiplier(unit.a, unit.b, style)
        case "mac", style:
            return mac.Mac(unit.a, unit.b, unit.c, style)
        case "requantize", style:
            return requantize.Requantizer(unit.a, unit.b, style)
        case "random", "lfsr":
            return rounding.ShiftRegister()
        case "random", _:
            return rounding.CounterHash()
        case "round", "nearest":
            return rounding.Nearest(unit.a, unit.b)
        case "round", "lfsr":
            return rounding.Lfsr(unit.a, unit.b)
        case "round", _:
            return rounding.Hash(unit.a, unit.b)
        case "float_multiplier", style:
            return floating.FloatMultiplier(unit.a, unit.b, style)
        case "float_adder", _:
            return floating.FloatAdder(unit.a, unit.b)
        case "norm", style:
            return norm.NormLane(unit.a, style, unit.c)
        case "divide", style:
            return divide.Divider(unit.a, style)
        case "update", _:
            return update.Update(unit.a, unit.b, unit.c)
        case _, style:
            return mac.MacArray(unit.b, unit.b, unit.a, unit.c, style)


Widths = tuple[tuple[int, ...], ...]

FLOATS: Widths = ((8, 23), (5, 10), (8, 7), (4, 3))
"""fp32, fp16, bf16, fp8."""
MACS: Widths = ((8, 8, 32), (4, 4, 32), (16, 16, 32), (2, 2, 32), (16, 8, 32))
INTO: Widths = ((32, 8), (32, 16), (32, 4), (24, 8))
"""Width of an accumulator and of what is kept of it."""
LANES: Widths = ((8, 0, 32), (16, 0, 48), (4, 0, 24), (12, 0, 40), (8, 0, 40), (16, 0, 56))
"""Width of x and of the sums."""
DIVIDERS: Widths = ((32, 0), (48, 0), (24, 0))
"""Width of the dividend: of a norm's sums."""

FITTED: dict[tuple[str, str], Widths] = {
    ("mac", "booth"): MACS,
    ("mac", "plain"): MACS,
    ("mac", "dsp"): ((8, 8, 32), (16, 16, 32), (24, 24, 48), (18, 18, 48)),
    ("float_multiplier", "booth"): (*FLOATS, (2, 1)),
    ("float_adder", "plain"): FLOATS,
    ("requantize", "shift"): INTO,
    ("requantize", "shift_stochastic"): INTO,
    ("requantize", "multiplier"): INTO,
    ("requantize", "multiplier_stochastic"): INTO,
    ("random", "lfsr"): ((32, 0),),
    ("random", "hash"): ((32, 0),),
    ("norm", "range_bn"): LANES,
    ("norm", "full_bn"): LANES,
    ("norm", "affine_bn"): LANES,
    ("divide", "quotient"): DIVIDERS,
    ("divide", "root"): DIVIDERS,
    ("update", "booth"): ((16, 8, 16), (8, 8, 16), (16, 16, 16), (16, 32, 16)),
    ("multiplier", "plain"): tuple((k, k) for k in (8, 4, 16, 32, 6, 12, 10, 14)),
    ("multiplier", "booth"): ((8, 8), (4, 4), (16, 16), (6, 6), (8, 4)),
    ("float_multiplier", "plain"): FLOATS,
    ("float_multiplier", "dsp"): ((8, 23), (5, 10)),
    ("round", "nearest"): ((24, 8),),
    ("round", "lfsr"): ((24, 8),),
    ("round", "hash"): ((24, 8),),
}
"""Widths of the 7-series library that the area forms are fitted to, the most wanted first."""

HELD_OUT: dict[tuple[str, str], Widths] = {
    ("multiplier", "plain"): ((7, 7), (9, 9), (11, 11), (13, 13), (24, 24)),
    ("multiplier", "booth"): ((9, 9), (9, 8), (11, 11), (13, 6)),
    ("mac", "plain"): ((9, 9, 32), (7, 7, 24)),
    ("mac", "booth"): ((9, 9, 32), (7, 7, 24), (14, 10, 32)),
    ("float_adder", "plain"): ((5, 6), (6, 13)),
    ("float_multiplier", "booth"): ((6, 13),),
    ("float_multiplier", "plain"): ((5, 6),),
    ("requantize", "shift"): ((28, 8),),
    ("requantize", "shift_stochastic"): ((28, 8),),
    ("requantize", "multiplier"): ((28, 8),),
    ("norm", "range_bn"): ((6, 0, 28), (10, 0, 36)),
    ("norm", "full_bn"): ((6, 0, 28), (10, 0, 36)),
    ("norm", "affine_bn"): ((6, 0, 28), (10, 0, 36)),
    ("divide", "quotient"): ((40, 0),),
    ("divide", "root"): ((40, 0),),
    ("update", "booth"): ((16, 24, 16),),
}
"""Widths that no form has seen: what the model's error is measured on."""

TABLE: dict[tuple[str, str], Widths] = {
    ("multiplier", "plain"): tuple((a, b) for a in range(2, 17) for b in range(2, a + 1)),
}
"""Widths of the 7-series library that are there one by one, since how Yosys compresses the rows of a multiplier follows
no form where its operands differ in width."""

ULTRASCALE = (
    *(Unit("mac", "dsp", "xcup", k, k, 32) for k in (8, 16)),
    Unit("mac", "dsp", "xcup", 24, 24, 48),
    *(Unit("mac", style, "xcup", 8, 8, 32) for style in ("booth", "plain")),
    Unit("float_multiplier", "dsp", "xcup", 8, 23),
    Unit("float_adder", "plain", "xcup", 5, 10),
)
"""UltraScale+: what uses its DSP blocks, and a sample that shows that the rest has the 7-series' LUTs."""

BLOCKS = (
    *(
        Unit("mac", "dsp", "xc7", *one)
        for one in ((3, 6, 32), (5, 4, 32), (16, 8, 32), (8, 8, 48), (4, 4, 16), (25, 18, 48))
    ),
    *(Unit("mac", "dsp", "xcup", *one) for one in ((9, 9, 32), (4, 4, 32), (27, 18, 48))),
)
"""MACs that show what a DSP block holds, and below which width Yosys takes none."""

LUT4 = {
    ("mac", "booth"): 3,
    ("mac", "plain"): 2,
    ("mac", "dsp"): 2,
    ("float_multiplier", "booth"): 2,
    ("float_adder", "plain"): 2,
    **{(kind, style): 1 for kind in ("requantize", "random", "norm", "divide", "update") for style in STYLES[kind]},
}
"""Number of the fitted widths that the LUT4 target has."""


def grid() -> Iterator[Unit]:
    """The shipped library, the most wanted units first."""
    for few in (1, 2, 4, None):
        for (kind, style), widths in FITTED.items():
            start = {1: 0, 2: 1, 4: 2, None: 4}[few]
            yield from (Unit(kind, style, "xc7", *one) for one in widths[start:few])
        if few == 1:
            yield from (Unit(k, style, "ecp5", *FITTED[k, style][0]) for k, style in LUT4)
        if few == 4:
            yield from ULTRASCALE
            for (kind, style), widths in HELD_OUT.items():
                yield from (Unit(kind, style, "xc7", *one) for one in widths)
            for (kind, style), count in LUT4.items():
                yield from (Unit(kind, style, "ecp5", *one) for one in FITTED[kind, style][1:count])
    yield from BLOCKS
    for kind, style in TABLE:
        seen = {*FITTED[kind, style], *HELD_OUT[kind, style]}
        yield from (Unit(kind, style, "xc7", *one) for one in TABLE[kind, style] if one not in seen)
