"""Fills the table of docs/choose.md from docs/results/loop.json and the runs beside it.

    python benchmarks/loop_page.py

It stands between ``<!-- table loop -->`` and ``<!-- end -->``; a test fails when page and numbers disagree.
"""

from __future__ import annotations

import json
from pathlib import Path

import _pages
import _runs

ROOT = Path(__file__).resolve().parents[1]
RUNS, ROWS = (ROOT / "docs" / "results" / name for name in ("loop_runs.jsonl", "loop.json"))
PAGE = ROOT / "docs" / "choose.md"
HEAD = ("seed", "answer", "its accuracy, %", "`digit_cnn` in FP32, %", "difference", "energy", "Kendall's tau")


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def filled(text: str) -> str:
    """``text`` with the table written anew."""
    return _pages.fill(text, {"loop": table()})


def table() -> str:
    """A line for each whole loop, and their mean."""
    lines = []
    for run in _runs.read(RUNS):
        ours, theirs = (
            run[f"{name}/mean_teacher/{recipe}/target_accuracy"]
            for name, recipe in (("found", "bits"), ("handmade", "fp32"))
        )
        numbers = f"{ours:.1f}", f"{theirs:.1f}", _signed(run["found_minus_handmade"]), f"{run['energy_ratio']:.2f} ×"
        lines.append([str(run["seed"]), f"`{run['network']}`", *numbers, f"{run['front_kendall_tau']:.2f}"])
    rows = {row["name"].rpartition("/")[2]: row for row in json.loads(ROWS.read_text(encoding="utf-8"))}
    gain, ratio, tau = (rows[name] for name in ("found_minus_handmade", "energy_ratio", "front_kendall_tau"))
    mean = f"{_signed(gain['value'])} ± {gain['std']:.1f}", f"{ratio['value']:.2f} ×"
    return _pages.table(HEAD, [*lines, ["all", "", "", "", *mean, f"{tau['value']:.2f} ± {tau['std']:.2f}"]])


def _signed(points: float) -> str:
    return f"{round(points, 1) + 0:+.1f}".replace("-", "−")


if __name__ == "__main__":
    main()
