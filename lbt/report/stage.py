"""The report stage: one page that holds everything, its figures apart, and the numbers behind them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lbt.artifacts import atomic
from lbt.registry import Registry
from lbt.report import figures
from lbt.report.found import Found
from lbt.report.page import Block, write_page

SECTIONS = Registry("section", "lbt.report.sections")


def run(found: Found, folder: Path) -> dict[str, Any]:
    """Write ``report.html``, ``results.md``, and each section's figure (SVG, PNG) and numbers (CSV) into ``folder``.

    Returns:
        How many jobs of each stage the report speaks of, and how many adaptations collapsed.
    """
    modules = {name: SECTIONS.load(name) for name in SECTIONS.names()}
    blocks: dict[str, Block] = {}
    for name in sorted(modules, key=lambda name: modules[name].PLACE):
        blocks[name] = modules[name].block(found)
        figures.save(blocks[name].figure, folder, name)
        _write_csv(folder / f"{name}.csv", blocks[name].data)
    write_page(folder / "report.html", folder, blocks, _sheets(found))
    tables = [block for block in reversed(blocks.values()) if block.table]  # a terminal shows the end: the page's first
    short = "\n\n".join("\n\n".join(filter(None, (one.title, one.table, one.closing))) for one in tables)
    with atomic(folder / "results.md") as temporary:
        temporary.write_text(short + "\n", encoding="utf-8")
    return {f"jobs/{stage}": len(jobs) for stage, jobs in found.jobs.items()} | {
        "collapsed": sum(row["collapsed"] for row in found.rows("adapt"))
    }


def _sheets(found: Found) -> dict[str, Path]:
    sheets = {name: folder / "sheet.png" for name, folder in found.jobs["data"].items()}
    return {name: path for name, path in sheets.items() if path.is_file()}


def _write_csv(path: Path, table: Sequence[Sequence[Any]]) -> None:
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(table)
