"""Fills the tables of docs/adaptation.md from docs/results/adaptation* and docs/results/label_shift.json.

    python benchmarks/adaptation_page.py

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; a test fails when page and numbers disagree.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import _pages
import adaptation
import label_shift

from lbt.adapt.params import AdaptParams
from lbt.artifacts import read_table
from lbt.params import load_params

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs" / "adaptation.md", ROOT / "docs" / "results"
GRID, PHOTOS = ROOT / "params" / "digits.yaml", ROOT / "params" / "photos.yaml"
BOUNDS = ("source_only", "target_supervised")

Rows = dict[str, dict[str, Any]]
"""The rows of benchmarks/adaptation.py by name."""


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def filled(page: str) -> str:
    """The page with every marked table made from the results."""
    digits, photos = read(RESULTS / "adaptation.parquet"), read(RESULTS / "adaptation_photos.parquet")
    grid, small = load_params(GRID).adapt, load_params(PHOTOS).adapt
    tables = {
        "gaps": gaps(digits, grid),
        "methods": methods(digits, grid),
        "recipes": recipes(digits, grid),
        "photos": gaps(photos, small),
        "photo methods": methods(photos, small),
        "shifts": shifts(json.loads((RESULTS / "label_shift.json").read_text(encoding="utf-8")), grid),
        "ablations": ablations(json.loads((RESULTS / "adaptation_ablations.json").read_text(encoding="utf-8"))),
    }
    return _pages.fill(page, tables)


def read(path: Path) -> Rows:
    """The benchmark's rows of a table of finished jobs."""
    return {row["name"]: row for row in adaptation.rows(read_table(path).to_pylist())}


def gaps(found: Rows, grid: AdaptParams) -> str:
    """The bounds, the mean teacher between them, and the share of the gap that it closes."""
    each = ("fp32", "int8")
    lines = [[f"`{m}`, fp32", *(show(found, "fp32", p, m, "target_accuracy") for p in grid.pair)] for m in BOUNDS]
    lines += [[f"`mean_teacher`, {r}", *(show(found, r, p, "target_accuracy") for p in grid.pair)] for r in each]
    lines += [[f"gap closed, {r}, %", *(show(found, r, p, "gap_closed") for p in grid.pair)] for r in each]
    lines.append(["int8 minus fp32, points", *(show(found, "int8", p, "minus_fp32", signed=True) for p in grid.pair)])
    return _pages.table(["", *(_arrow(p) for p in grid.pair)], lines)


def methods(found: Rows, grid: AdaptParams) -> str:
    """Every method in both formats on every pair."""
    lines = []
    for method in grid.method:
        place = () if method == "mean_teacher" else (method,)
        for recipe in ("fp32", "int8"):
            shown = [show(found, recipe, pair, *place, "target_accuracy") for pair in grid.pair]
            if any(shown):
                lines.append([f"`{method}`", recipe, *shown])
    return _pages.table(["method", "numbers", *(_arrow(p) for p in grid.pair)], lines)


def recipes(found: Rows, grid: AdaptParams) -> str:
    """The mean teacher under every recipe that was run, on the pairs that have them all."""
    pairs = next(part.pair for part in grid.only if part.pair) or []
    lines = []
    for recipe in grid.recipe:
        differences = [show(found, recipe, p, "minus_fp32", signed=True) if recipe != "fp32" else "" for p in pairs]
        accuracies = [show(found, recipe, p, "target_accuracy") for p in pairs]
        if any(accuracies):
            lines.append([f"`{recipe}`", *accuracies, *differences])
    return _pages.table(["recipe", *(_arrow(p) for p in pairs), *(f"{_arrow(p)}, minus fp32" for p in pairs)], lines)


def shifts(rows: list[dict[str, Any]], grid: AdaptParams) -> str:
    """Points against the pretrained network for every shift, method and recipe, on every pair; [without the guard]."""
    found = {row["name"]: row for row in rows}
    places = dict.fromkeys(tuple(name.split("/")[2:5]) for name in found)
    lines = []
    for shift, method, recipe in sorted(places, key=lambda place: label_shift.SHIFTS.index(place[0])):
        cells = []
        for pair in grid.pair:
            place = ("shift", pair, shift, method, recipe)
            refused = found.get("/".join((*place, "rolled_back")), {}).get("value")
            free = f" [{show(found, *place, 'unguarded_minus_start', signed=True)}]" if refused else ""
            cells.append(show(found, *place, "minus_start", signed=True) + free)
        lines.append([shift, f"`{method}`", recipe, *cells])
    return _pages.table(["target", "method", "numbers", *(_arrow(p) for p in grid.pair)], lines)


def ablations(rows: list[dict[str, Any]]) -> str:
    """One line per topic and variant: accuracy over seeds."""
    found = {row["name"]: row for row in rows if row["name"].endswith("/target_accuracy")}
    lines = [[*name.split("/")[1:3], show(found, name)] for name in found]
    return _pages.table(["", "variant", "target accuracy, %"], lines)


def show(found: Rows, *name: str, signed: bool = False) -> str:
    """The row of that name as ``95.9 ± 0.4``; how many, where it is not three seeds; empty where there is none."""
    row = found.get("/".join(name))
    if row is None:
        return ""
    text = f"{row['value']:{'+' if signed else ''}.1f}" + (f" ± {row['std']:.1f}" if row["n"] > 1 else "")
    return text.replace("-", "−") + ("" if row["n"] == 3 else f" (n={row['n']})")


def _arrow(pair: str) -> str:
    return pair.replace("-", " → ")


if __name__ == "__main__":
    main()
