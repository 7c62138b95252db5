"""The area model against synthesis, the schedule against SCALE-Sim 3.0.0, and the unit table beside published counts.

    python benchmarks/hardware.py [--quick] [--json FILE]

Leave-one-out: each synthesised unit of a fitted kind is predicted from the others. Needs no synthesis.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median

from lbt.hardware.array import Array, cycles
from lbt.hardware.ops import Gemm
from lbt.hardware.units import TERMS, closed_form, fit, library, predict

PUBLISHED = {("multiplier", "plain", 9, 9): 115, ("multiplier", "plain", 4, 4): 11}
"""LUTs: the vendor's core generator (9×9), and an 11 LUT + 2 CARRY4 multiplier (4×4)."""

FORWARD, GRADIENT = Gemm(1024, 144, 16), Gemm(144, 1024, 16)
SCALESIM = (
    (FORWARD, "os", 11135),
    (FORWARD, "ws", 9629),
    (FORWARD, "is", 35711),
    (GRADIENT, "os", 9485),
    (GRADIENT, "ws", 12159),
    (GRADIENT, "is", 35711),
)


def left_out_errors() -> list[tuple[str, float]]:
    """Relative LUT error of every unit that can be left out with at least as many others as the form has terms."""
    errors = []
    for unit in library():
        if closed_form(unit) is not None or (unit.kind, unit.style) not in TERMS or min(unit.a, unit.b or 4) < 4:
            continue
        others = [u for u in library() if (u.kind, u.style, u.target) == (unit.kind, unit.style, unit.target)]
        others.remove(unit)
        terms = len(TERMS[unit.kind, unit.style](unit.a, unit.b, unit.c))
        inside = others and min(u.a for u in others) <= unit.a <= max(u.a for u in others)
        if len(others) >= terms and inside:
            true = library()[unit]["lut"]
            errors.append((unit.name, abs(predict(unit, fit(others, "lut")) - true) / true))
    return errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the same: nothing here is slow")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    errors = left_out_errors()
    off = max(abs(cycles(gemm, flow, Array(16, 16)) - known) for gemm, flow, known in SCALESIM)
    rows = [
        {"name": "lut-model/median_error", "value": median(e for _, e in errors), "unit": "1", "n": len(errors)},
        {"name": "lut-model/worst_error", "value": max(e for _, e in errors), "unit": "1", "n": len(errors)},
        {"name": "scalesim/max_cycle_error", "value": off, "unit": "cycles", "n": len(SCALESIM)},
    ]
    for row in rows:
        print(f"{row['name']:<28}{row['value']:.4g} {row['unit']} (n={row['n']})")
    print("worst:", ", ".join(f"{n} {e:.1%}" for n, e in sorted(errors, key=lambda p: -p[1])[:5]))
    print(f"{'unit':<44}{'LUT':>6}{'FF':>6}{'carry':>6}{'DSP':>5}{'depth':>6}  published, ratio")
    for unit, one in library().items():
        known = PUBLISHED.get((unit.kind, unit.style, unit.a, unit.b)) if unit.target == "xc7" else None
        beside = f"  {known}, {one['lut'] / known:.2f}" if known else ""
        print(f"{unit.name:<44}{one['lut']:>6}{one['ff']:>6}{one['carry']:>6}{one['dsp']:>5}{one['depth']:>6}{beside}")
        rows.append({"name": f"unit/{unit.name}/lut", "value": one["lut"], "unit": "LUT", "n": 1})
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
