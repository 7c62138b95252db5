"""Fills the tables of docs/edge.md from docs/results/edge.json and docs/results/users.json.

    python benchmarks/edge_page.py

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; a test fails when page and numbers disagree.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import _pages
import users_page

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = [ROOT / "docs" / "results" / f"{name}.json" for name in ("edge", "users")], ROOT / "docs" / "edge.md"
STREAMS = ("continual", "mixed", "correlated")
Rows = dict[str, dict[str, Any]]


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), read_rows()), encoding="utf-8")


def read_rows() -> Rows:
    """All rows of the committed results, by name."""
    return {row["name"]: row for path in RESULTS for row in json.loads(path.read_text(encoding="utf-8"))}


def filled(text: str, rows: Rows) -> str:
    """``text`` with each table that it marks written anew."""
    tables = {
        "errors": errors(rows),
        "cost": cost(rows),
        "users": users_page.users(rows),
        "package": users_page.package(rows),
    }
    return _pages.fill(text, tables)


def errors(rows: Rows) -> str:
    """Online error of each method and recipe on each stream."""
    head = ["method", *(f"{stream}, {recipe}" for stream in STREAMS for recipe in ("fp32", "int8"))]
    lines = []
    for method in methods(rows):
        cells = [f"`{method}`"]
        for stream in STREAMS:
            full, low = (rows.get(f"tta/{stream}/{method}/{recipe}/error") for recipe in ("fp32", "int8"))
            cells += [_cell(full), _cell(low) + _difference(rows.get(f"tta/{stream}/{method}/int8/minus_fp32"))]
        lines.append(cells)
    return _pages.table(head, lines)


def cost(rows: Rows) -> str:
    """Bytes of int8 against float32, and forgetting."""
    head = ["method", "kept, share of fp32", "peak, share of fp32", "forgetting, points"]
    lines = []
    for method in methods(rows):
        name = f"tta/continual/{method}/int8"
        shares = [rows.get(f"{name}/x_{part}_fp32") for part in ("kept", "peak")]
        shown = [f"{row['value']:.2f}" if row else "" for row in shares]
        lines.append([f"`{method}`", *shown, _cell(rows.get(f"{name}/forgetting"))])
    return _pages.table(head, lines)


def methods(rows: Rows) -> list[str]:
    """The methods, by their error on the continual stream under int8."""
    found = {name.split("/")[2]: row["value"] for name, row in rows.items() if name.endswith("int8/error")
             and name.startswith("tta/continual/")}  # fmt: skip
    return sorted(found, key=found.__getitem__)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    return f"{row['value']:.1f}" + (f" ± {row['std']:.1f}" if row["n"] > 1 else "")


def _difference(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    return f" ({row['value']:+.1f}" + (f" ± {row['interval']:.1f})" if "interval" in row else ")")


if __name__ == "__main__":
    main()
