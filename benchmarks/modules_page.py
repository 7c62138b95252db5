"""Fills the table of public architectures in docs/numerics.md from docs/results/modules.json.

    python benchmarks/modules_page.py

It stands between ``<!-- architectures -->`` and ``<!-- end -->``; a test fails when page and numbers disagree.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import _pages

from lbt.export import TOLERANCE

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "docs" / "results" / "modules.json", ROOT / "docs" / "numerics.md"
MARKED = re.compile(r"<!-- architectures -->.*?<!-- end -->", re.DOTALL)
RECIPES = ("int8", "int4", "mx4", "nvfp4", "luq4")
HEAD = ["network", "weights", "MACs", "what stays float (share of the weights)"]
HEAD += [f"cosine {RECIPES[0]}", *RECIPES[1:], "ONNX"]
MOST = 100
"""Characters of a cell's text."""

Rows = dict[str, dict[str, Any]]


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), read_rows()), encoding="utf-8")


def read_rows() -> Rows:
    """All rows of the committed results, by name."""
    return {row["name"]: row for row in json.loads(RESULTS.read_text(encoding="utf-8"))}


def filled(text: str, rows: Rows) -> str:
    """``text`` with the table written anew."""
    made = _pages.table(HEAD, [line(name, rows) for name in networks(rows)])
    return MARKED.sub(lambda _: f"<!-- architectures -->\n\n{made}\n\n<!-- end -->", text)


def networks(rows: Rows) -> list[str]:
    """Names of the networks, in the order of the results."""
    return [name.removesuffix("/weights") for name in rows if name.endswith("/weights")]


def line(name: str, rows: Rows) -> list[str]:
    """One network's cells."""
    weights, macs, onnx = (rows[f"{name}/{what}"] for what in ("weights", "macs", "onnx"))
    apart = float(onnx["note"].split()[-1]) if onnx["value"] else 0.0
    alike = "equal" if apart < TOLERANCE else f"{apart:.2f} apart (within its own spread)"
    written = {1.0: alike, 0.0: "refused: " + brief(onnx["note"]), -1.0: "differs: " + onnx["note"]}[onnx["value"]]
    cosines = [f"{rows[f'{name}/cosine/{recipe}']['value']:.3f}" for recipe in RECIPES]
    kept = brief(weights["note"]) or brief(macs["note"].replace("%)", "% of MACs)"))
    return [
        f"`{name.removeprefix('modules/')}`",
        percent(weights["value"]),
        percent(macs["value"]),
        kept,
        *cosines,
        written,
    ]


def percent(share: float) -> str:
    """0 … 1 in percent."""
    return f"{100 * share:.1f} %" if share < 1 else "100 %"


def brief(text: str) -> str:
    """The beginning of a text that fits a cell."""
    text = text.replace("|", "\\|")
    return text if len(text) <= MOST else text[:MOST].rsplit(" ", 1)[0].rstrip(",;(") + " …"


if __name__ == "__main__":
    main()
