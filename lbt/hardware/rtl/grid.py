"""Which units are in the shipped library, and how each is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lbt.errors import LbtError, unknown

TARGETS = ("xc7", "xcup", "ecp5")
"""7-series and UltraScale+ through ``synth_xilinx``, and an open LUT4 target through ``synth_ecp5``."""

STYLES = {
    "multiplier": ("plain", "booth", "dsp"),
    "mac": ("plain", "booth", "dsp"),
    "requantize": ("shift", "multiplier"),
    "round": ("nearest", "lfsr", "hash"),
    "float_multiplier": ("plain", "dsp"),
    "float_adder": ("plain",),
    "norm": ("full_bn", "range_bn", "affine_bn"),
    "update": ("plain",),
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
        a, b: multiplier and mac: operand widths; requantize and round: width in and out; float: exponent and mantissa
            bits; norm: width, 0; update: width of the master weight and of the gradient; array: operand width, cells a
            side.
        c: mac and array: accumulator width; else 0.
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
        if not 1 <= self.a <= 64 or not 0 <= self.b <= 64 or not 0 <= self.c <= 64:
            raise LbtError(f"{self.kind}: found widths {self.a}, {self.b}, {self.c}; accepted: 1 to 64")

    @property
    def name(self) -> str:
        """``mac-booth-xc7-8-8-32``."""
        return f"{self.kind}-{self.style}-{self.target}-{self.a}-{self.b}-{self.c}"


def build(unit: Unit) -> Any:
    """The Amaranth component of a unit."""
    from lbt.hardware.rtl import floating, mac, multiplier, norm, requantize, rounding, update

    rounders: dict[str, Callable[[int, int], Any]] = {
        "nearest": rounding.Nearest,
        "lfsr": rounding.Lfsr,
        "hash": rounding.Hash,
    }
    match unit.kind:
        case "multiplier":
            return multiplier.Multiplier(unit.a, unit.b, unit.style)
        case "mac":
            return mac.Mac(unit.a, unit.b, unit.c, unit.style)
        case "requantize":
            return requantize.Requantizer(unit.a, unit.b, unit.style)
        case "round":
            return rounders[unit.style](unit.a, unit.b)
        case "float_multiplier":
            return floating.FloatMultiplier(unit.a, unit.b)
        case "float_adder":
            return floating.FloatAdder(unit.a, unit.b)
        case "norm":
            return norm.NormLane(unit.a, unit.style)
        case "update":
            return update.Update(unit.a, unit.b)
        case _:
            return mac.MacArray(unit.b, unit.b, unit.a, unit.c, unit.style)


FLOATS = ((4, 3), (5, 2), (5, 10), (8, 7), (8, 23))
"""fp8 (two kinds), fp16, bf16, fp32."""

WIDTHS: dict[tuple[str, str], tuple[tuple[int, ...], ...]] = {
    ("mac", "booth"): ((8, 8), (4, 4), (16, 16), (8, 16), (6, 6), (2, 2)),
    ("mac", "plain"): ((8, 8), (4, 4), (16, 16), (8, 16), (2, 2), (6, 6), (12, 12), (4, 8)),
    ("mac", "dsp"): ((8, 8), (16, 16), (24, 24), (8, 16), (4, 4)),
    ("float_multiplier", "plain"): (*FLOATS, (2, 1), (2, 3), (3, 2), (2, 4)),
    ("float_adder", "plain"): (*FLOATS, (2, 1), (2, 3), (3, 2)),
    ("float_multiplier", "dsp"): ((5, 10), (8, 23)),
    ("requantize", "shift"): ((32, 8), (32, 4), (32, 16), (24, 8), (20, 6)),
    ("requantize", "multiplier"): ((32, 8), (32, 4), (32, 16), (24, 8), (20, 6)),
    ("round", "nearest"): ((24, 8), (32, 8), (16, 8), (24, 4), (32, 16)),
    ("round", "lfsr"): ((24, 8), (32, 8), (16, 8), (24, 4), (32, 16)),
    ("round", "hash"): ((24, 8), (32, 8), (32, 16)),
    ("norm", "full_bn"): ((8, 0), (16, 0), (4, 0), (6, 0), (12, 0)),
    ("norm", "range_bn"): ((8, 0), (16, 0), (4, 0), (6, 0), (12, 0)),
    ("norm", "affine_bn"): ((8, 0), (16, 0), (4, 0), (6, 0), (12, 0)),
    ("update", "plain"): ((16, 8), (32, 16), (8, 8), (12, 8), (16, 16), (24, 16)),
    ("multiplier", "plain"): (
        *tuple((k, k) for k in (8, 4, 16, 2, 3, 5, 6, 7, 9, 10, 12)),
        (4, 8),
        (6, 8),
        (8, 12),
        (8, 16),
    ),
    ("multiplier", "booth"): (*tuple((k, k) for k in (8, 4, 16, 5, 6, 7, 9, 12)), (4, 8), (8, 4), (8, 16)),
}
"""Widths of the 7-series library, by kind and style; the other targets have the first few."""

FEW = {"mac": 3, "float_multiplier": 5, "float_adder": 5, "requantize": 2, "round": 1, "norm": 2, "update": 2}
"""How many of them the other targets have; a kind that is missing has none."""


def grid() -> Iterator[Unit]:
    """The shipped library, the most wanted units first."""
    for few in (True, False):
        for target in TARGETS:
            for (kind, style), widths in WIDTHS.items():
                first = FEW.get(kind, 0)
                chosen = widths[:first] if few else widths[first:] if target == "xc7" else ()
                for a, b in chosen:
                    yield Unit(kind, style, target, a, b, 32 if kind == "mac" else 0)
    yield from (Unit("mac", style, "xc7", 8, 8, c) for style in ("booth", "plain") for c in (24, 40))
    yield from (Unit("array", "booth", "xc7", 4, side, 24) for side in (4, 8))
