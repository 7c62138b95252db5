"""Fills the tables of docs/hardware.md from docs/results/hardware.json, the unit library and the placed clocks.

    python benchmarks/hardware_page.py

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; a test fails when page and numbers disagree.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import _pages
from _units import PUBLISHED, USUAL

from lbt.artifacts import read_json
from lbt.hardware.clock import PLACED
from lbt.hardware.rtl.grid import TARGETS, Unit
from lbt.hardware.units import library
from lbt.nn import norms

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs" / "hardware.md", ROOT / "docs" / "results" / "hardware.json"
BOARDS, FORMATS = ("zcu102", "zedboard", "ulx3s"), ("fp16", "int8")
GAINS = ("storage", "mac_area", "energy", "throughput")
STYLES = ("plain", "booth", "dsp")
SHOWN = (
    *(("multiplier", style, k, k, 0) for k in (4, 8, 9, 16) for style in STYLES),
    *(("mac", style, k, k, 32) for k in (4, 8, 16) for style in STYLES),
    *(("float_multiplier", style, *one, 0) for one in ((8, 23), (5, 10), (8, 7), (4, 3)) for style in STYLES),
    *(("float_adder", "plain", *one, 0) for one in ((8, 23), (5, 10))),
    *(
        ("requantize", f"{style}{drawn}", 32, 8, 0)
        for style in ("shift", "multiplier")
        for drawn in ("", "_stochastic")
    ),
    *(("random", style, 32, 0, 0) for style in ("lfsr", "hash")),
    *(("round", style, 24, 8, 0) for style in ("nearest", "lfsr", "hash")),
    *(("norm", style, 8, 0, 32) for style in ("range_bn", "full_bn", "affine_bn")),
    ("norm", "full_bn", 16, 0, 56),
    ("update", "booth", 16, 8, 16),
)
"""Units of the page, without their target; those that the library lacks are left out."""


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def filled(page: str) -> str:
    """The page with its tables made anew."""
    values = {row["name"]: row["value"] for row in json.loads(RESULTS.read_text(encoding="utf-8"))}
    tables = {"eight": eight(values), "units": units(), "clocks": clocks(values), "placed": placed(values)}
    return _pages.fill(page, {**tables, "norms": norm_lanes(values)})


def eight(values: dict[str, float]) -> str:
    """Times better than fp32 on the same board."""
    lines = [
        [board, kind, *(f"{values[f'resnet20/{board}/{kind}/{gain}/x_fp32']:.1f}×" for gain in GAINS)]
        for board in BOARDS for kind in FORMATS
    ]  # fmt: skip
    return _pages.table(["board", "format", "storage", "MAC area", "energy", "throughput"], lines)


def units() -> str:
    """Synthesised units."""
    head = ["unit", "widths", "xc7 LUT", "FF", "CARRY4", "DSP", "depth", "ecp5 LUT", "published (ratio)"]
    return _pages.table(head, _unit_lines())


def _unit_lines() -> Iterator[list[str]]:
    for kind, style, *widths in SHOWN:
        one, other = (library().get(Unit(kind, style, target, *widths)) for target in ("xc7", "ecp5"))
        if one is not None:
            known = PUBLISHED.get((kind, widths[0], widths[1])) if style != "dsp" else None
            counts = [str(one[name]) for name in ("lut", "ff", "carry", "dsp", "depth")]
            beside = [str(other["lut"]) if other else "", f"{known} ({one['lut'] / known:.2f})" if known else ""]
            yield [f"{kind} `{style}`", in_words(kind, *widths), *counts, *beside]


def in_words(kind: str, a: int, b: int, c: int = 0) -> str:
    """A unit's widths for people."""
    match kind:
        case "mac":
            return f"{a}×{b}, {c}-bit sum"
        case "multiplier":
            return f"{a}×{b}"
        case "float_multiplier" | "float_adder":
            return f"⟨{a},{b}⟩"
        case "requantize" | "round":
            return f"{a}→{b}"
        case "norm":
            return f"{a}, {c}-bit sums"
        case "update":
            return f"{a}/{b}/{c}"
        case _:
            return str(a)


def clocks(values: dict[str, float]) -> str:
    """Estimated clocks in MHz."""
    lines = []
    for kind, style, *widths in USUAL:
        names = [f"clock/{Unit(kind, style, target, *widths).name}/estimate" for target in TARGETS]
        told = [f"{values[name]:.0f}" if name in values else "" for name in names]
        lines.append([f"{kind} `{style}` {in_words(kind, *widths)}", *told])
    return _pages.table(["estimated MHz", *TARGETS], lines)


def placed(values: dict[str, float]) -> str:
    """Estimated beside placed clocks in MHz."""
    lines = []
    for name, row in read_json(PLACED).items():
        kind, style, _, *widths = name.split("-")
        over = values[f"clock/{name}/over_placed"]
        words = f"{kind} `{style}` {in_words(kind, *map(int, widths))}"
        seeds = ", ".join(f"{mhz:.1f}" for mhz in row["mhz"])
        lines.append([words, f"{over * row['median_mhz']:.1f}", seeds, f"{over:.2f}"])
    return _pages.table(["unit", "estimate", "placed (seeds)", "over"], lines)


def norm_lanes(values: dict[str, float]) -> str:
    """Each batch norm in the place of ResNet-20's, the fastest first."""
    names = sorted(norms.NORMS.names(), key=lambda name: (-values[f"norm/{name}/images_per_second"], name))
    lines = []
    for name in names:
        cost = norms.cost(name)
        each = cost.forward.element + cost.backward.element
        lane, speed, joules, share = (
            values[f"norm/{name}/{what}"] for what in ("lane", "images_per_second", "energy", "cycles_share")
        )
        counts = f"{each.adds:g}, {each.multiplies:g}, {each.comparisons:g}"
        lines.append([f"`{name}`", counts, f"{lane:,.0f}", f"{speed:,.0f}", f"{joules:.2f}", f"{share:.0%}"])
    head = ["norm", "adds, multiplies, comparisons per element", "lane LUT", "images/s", "mJ/image", "share of cycles"]
    return _pages.table(head, lines)


if __name__ == "__main__":
    main()
