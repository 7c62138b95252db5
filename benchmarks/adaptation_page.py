"""Fills the tables of docs/adaptation.md from docs/results/adaptation*.

    python benchmarks/adaptation_page.py

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; a test fails when page and numbers disagree.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import _pages

from lbt.adapt.params import AdaptParams
from lbt.artifacts import read_table
from lbt.params import load_params

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs" / "adaptation.md", ROOT / "docs" / "results"
GRID, PHOTOS = ROOT / "params" / "digits.yaml", ROOT / "params" / "photos.yaml"
BOUNDS = ("source_only", "target_supervised")

Accuracy = dict[tuple[str, str, str], dict[int, float]]
"""(pair, method, recipe) → seed → accuracy on the target's test split, percent."""


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
        "ablations": ablations(json.loads((RESULTS / "adaptation_ablations.json").read_text(encoding="utf-8"))),
    }
    return _pages.fill(page, tables)


def read(path: Path) -> Accuracy:
    """The accuracies in a table of finished jobs."""
    found: Accuracy = {}
    for row in read_table(path).to_pylist():
        found.setdefault((row["pair"], row["method"], row["recipe"]), {})[row["seed"]] = row["target_accuracy"]
    return found


def gaps(found: Accuracy, grid: AdaptParams) -> str:
    """The bounds, the mean teacher between them, and the share of the gap that it closes."""
    lines = [[f"`{m}`, fp32", *(show(found.get((p, m, "fp32"), {}).values()) for p in grid.pair)] for m in BOUNDS]
    for recipe in ("fp32", "int8"):
        lines.append([f"`mean_teacher`, {recipe}", *(show(_teacher(found, p, recipe).values()) for p in grid.pair)])
    for recipe in ("fp32", "int8"):
        lines.append([f"gap closed, {recipe}, %", *(show(closed(found, p, recipe)) for p in grid.pair)])
    lines.append(["int8 minus fp32, points", *(show(minus(found, p, "int8"), signed=True) for p in grid.pair)])
    return _pages.table(["", *(_arrow(p) for p in grid.pair)], lines)


def methods(found: Accuracy, grid: AdaptParams) -> str:
    """Every method in both formats on every pair."""
    lines = [
        [f"`{m}`", r, *(show(found.get((p, m, r), {}).values()) for p in grid.pair)]
        for m in grid.method
        for r in ("fp32", "int8")
        if any((p, m, r) in found for p in grid.pair)
    ]
    return _pages.table(["method", "numbers", *(_arrow(p) for p in grid.pair)], lines)


def recipes(found: Accuracy, grid: AdaptParams) -> str:
    """The mean teacher under every recipe, on the pairs that have them all."""
    pairs = next(part.pair for part in grid.only if part.pair) or []
    lines = [
        [
            f"`{r}`",
            *(show(_teacher(found, p, r).values()) for p in pairs),
            *(show(minus(found, p, r), signed=True) for p in pairs),
        ]
        for r in grid.recipe
    ]
    return _pages.table(["recipe", *(_arrow(p) for p in pairs), *(f"{_arrow(p)}, minus fp32" for p in pairs)], lines)


def ablations(rows: list[dict[str, Any]]) -> str:
    """One line per topic and variant: accuracy over seeds."""
    lines = []
    for row in rows:
        _, topic, variant, kind = row["name"].split("/")[:4]
        if kind == "target_accuracy":
            lines.append([topic, variant, f"{row['value']:.1f} ± {row['std']:.1f}"])
    return _pages.table(["", "variant", "target accuracy, %"], lines)


def closed(found: Accuracy, pair: str, recipe: str) -> list[float]:
    """Share of the gap between the float bounds of the same seed, percent."""
    low, high = (found.get((pair, method, "fp32"), {}) for method in BOUNDS)
    each = _teacher(found, pair, recipe).items()
    return [100 * (value - low[s]) / (high[s] - low[s]) for s, value in each if s in low and s in high]


def minus(found: Accuracy, pair: str, recipe: str) -> list[float]:
    """Mean teacher: points against float with the same seed."""
    reference = _teacher(found, pair, "fp32")
    each = _teacher(found, pair, recipe).items()
    return [value - reference[s] for s, value in each if recipe != "fp32" and s in reference]


def show(values: Iterable[float], signed: bool = False) -> str:
    """``95.9 ± 0.4``; how many, where it is not three seeds."""
    numbers = list(values)
    if not numbers:
        return ""
    text = f"{fmean(numbers):{'+' if signed else ''}.1f}" + (f" ± {stdev(numbers):.1f}" if len(numbers) > 1 else "")
    return text.replace("-", "−") + ("" if len(numbers) == 3 else f" (n={len(numbers)})")


def _teacher(found: Accuracy, pair: str, recipe: str) -> dict[int, float]:
    return found.get((pair, "mean_teacher", recipe), {})


def _arrow(pair: str) -> str:
    return pair.replace("-", " → ")


if __name__ == "__main__":
    main()
