"""Fills the tables of docs/incremental.md from docs/results/incremental.json.

    python benchmarks/incremental_page.py

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; a test fails when page and numbers disagree.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import _pages
import incremental

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "docs" / "results" / "incremental.json", ROOT / "docs" / "incremental.md"
Rows = dict[str, dict[str, Any]]


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), read_rows()), encoding="utf-8")


def read_rows() -> Rows:
    """The committed results, by name."""
    return {row["name"]: row for row in json.loads(RESULTS.read_text(encoding="utf-8"))}


def filled(text: str, rows: Rows) -> str:
    """``text`` with each table that it marks written anew."""
    return _pages.fill(text, {stream: table(stream, rows) for stream in incremental.STREAMS})


def table(stream: str, rows: Rows) -> str:
    """Each method of a stream: accuracies, forgetting, bytes, seeds."""
    head = ["method", "fp32, %", "int8, %", "int8 − fp32", "forgetting in int8, points", "own bytes", "all kept", "n"]
    lines = []
    for method in incremental.METHODS:
        label = f"incremental/{stream}/{method}"
        found = [rows.get(f"{label}/{recipe}/accuracy") for recipe in incremental.RECIPES]
        if not any(found):
            continue
        sizes = [rows.get(f"{label}/int8/{part}") for part in ("bytes", "kept")]
        cells = [*map(spread, found), interval(rows.get(f"{label}/int8/minus_fp32"))]
        cells += [spread(rows.get(f"{label}/int8/forgetting")), *(size(one) for one in sizes)]
        seeds = " + ".join(dict.fromkeys(str(one["n"]) for one in found if one))
        lines.append([f"`{method}`" if method.isidentifier() else method, *cells, seeds])
    return _pages.table(head, lines)


def spread(row: dict[str, Any] | None) -> str:
    """Mean ± standard deviation."""
    return "" if row is None else f"{row['value']:.1f} ± {row['std']:.1f}".replace("-", "−")


def interval(row: dict[str, Any] | None) -> str:
    """A paired difference ± the half width of its 95 % interval."""
    if row is None:
        return ""
    shown = f"{row['value']:+.1f}".replace("-", "−")
    return shown + (f" ± {row['interval']:.1f}" if "interval" in row else "")


def size(row: dict[str, Any] | None) -> str:
    """Kilobytes."""
    return "" if row is None else f"{row['value'] / 1000:,.0f} kB"


if __name__ == "__main__":
    main()
