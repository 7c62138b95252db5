"""Fills the tables of docs/adaptation.md from docs/results/adaptation.parquet.

    python benchmarks/adaptation_page.py

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; a test fails when page and numbers disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, stdev

import _pages

from lbt.artifacts import read_table
from lbt.params import load_params

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs" / "adaptation.md", ROOT / "docs" / "results" / "adaptation.parquet"
GRID = ROOT / "params" / "digits.yaml"
BOUNDS = ("source_only", "target_supervised")

Accuracy = dict[tuple[str, str, str], dict[int, float]]
"""(pair, method, recipe) → seed → accuracy on the target's test split, percent."""


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def filled(page: str) -> str:
    """The page with every marked table made from the results."""
    found: Accuracy = {}
    for row in read_table(RESULTS).to_pylist():
        found.setdefault((row["pair"], row["method"], row["recipe"]), {})[row["seed"]] = row["target_accuracy"]
    return _pages.fill(page, {"gaps": gaps(found), "methods": methods(found)})


def gaps(found: Accuracy) -> str:
    """The bounds, the mean teacher between them, and the share of the gap that it closes."""
    grid = load_params(GRID).adapt
    lines = [[f"`{m}`, fp32", *(show(found.get((p, m, "fp32"), {}).values()) for p in grid.pair)] for m in BOUNDS]
    for recipe in ("fp32", "int8"):
        lines.append([f"`mean_teacher`, {recipe}", *(show(_teacher(found, p, recipe).values()) for p in grid.pair)])
    for recipe in ("fp32", "int8"):
        lines.append([f"gap closed, {recipe}, %", *(show(closed(found, p, recipe)) for p in grid.pair)])
    lines.append(["int8 minus fp32, points", *(show(minus(found, p, "int8"), signed=True) for p in grid.pair)])
    return _pages.table(["", *(_arrow(p) for p in grid.pair)], lines)


def methods(found: Accuracy) -> str:
    """Every method in both formats on every pair."""
    grid = load_params(GRID).adapt
    lines = [
        [f"`{m}`", r, *(show(found.get((p, m, r), {}).values()) for p in grid.pair)]
        for m in grid.method
        for r in ("fp32", "int8")
        if any((p, m, r) in found for p in grid.pair)
    ]
    return _pages.table(["method", "numbers", *(_arrow(p) for p in grid.pair)], lines)


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
