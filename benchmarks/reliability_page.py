"""Fills the tables of docs/reliability.md from docs/results/{reproducible,kills,fuzz}.json.

    python benchmarks/reliability_page.py

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; a test fails when page and numbers disagree. The
table of a campaign that has no results has no lines.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import _pages

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs" / "reliability.md", ROOT / "docs" / "results"

KILLS = {
    "sent": "kills",
    "copies": "runs that were killed and finished",
    "identical_files": "files identical to the undisturbed run",
    "different_files": "files altered, missing or too many",
    "temporary_files": "temporary files left behind",
    "false_records": "records without the hashes of their files",
    "unlocks": "locks to remove with `snakemake --unlock`",
    "refused_starts": "starts that ended with an error",
}
FUZZ = ("taken", "refused", "tracebacks")

Rows = dict[str, Any]
"""Values by the name of the row."""


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), RESULTS), encoding="utf-8")


def filled(page: str, results: Path) -> str:
    """The page with every marked table made from the rows in a folder."""
    made = {
        "reproduce": reproduce(results / "reproducible.json"),
        "kills": kills(read(results / "kills.json")),
        "fuzz": fuzz(read(results / "fuzz.json")),
    }
    return _pages.fill(page, made)


def read(path: Path) -> Rows:
    """The rows of a file; none if it does not exist."""
    if not path.is_file():
        return {}
    return {row["name"]: row["value"] for row in json.loads(path.read_text(encoding="utf-8"))}


def reproduce(path: Path) -> str:
    """One line for each stage of benchmarks/reproducible.py, with its hash on each processor."""
    rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    hashes: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["name"].startswith("reproduce/"):
            _, stage, processor = row["name"].split("/")
            hashes.setdefault(stage, {})[row.get("processor", f"{processor}, emulated")] = row["hash"]
    processors = list(dict.fromkeys(processor for one in hashes.values() for processor in one))
    lines = [[stage, *(f"`{one.get(processor, '')}`" for processor in processors)] for stage, one in hashes.items()]
    return _pages.table(["stage", *processors], lines)


def kills(rows: Rows) -> str:
    """One line for each count of benchmarks/kills.py."""
    lines = [[text, f"{rows[f'kills/{name}']:,}"] for name, text in KILLS.items() if f"kills/{name}" in rows]
    return _pages.table(["", "count"], lines)


def fuzz(rows: Rows) -> str:
    """One line for each kind of input of benchmarks/fuzz.py."""
    kinds = dict.fromkeys(name.split("/")[1] for name in rows)
    counts = {kind: [rows[f"fuzz/{kind}/{outcome}"] for outcome in FUZZ] for kind in kinds}
    lines = [[kind, f"{sum(found):,}", *(f"{count:,}" for count in found)] for kind, found in counts.items()]
    return _pages.table(["kind", "inputs", *FUZZ], lines)


if __name__ == "__main__":
    main()
