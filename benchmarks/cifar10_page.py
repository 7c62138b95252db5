"""Fills the tables of docs/cifar10.md from docs/results/cifar10_runs.jsonl, and draws the curves.

    python benchmarks/cifar10_page.py

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; a test fails when page and numbers disagree.
"""

from __future__ import annotations

from pathlib import Path

import _pages
import _runs
from cifar10 import rows_of

ROOT = Path(__file__).resolve().parents[1]
RUNS, PAGE = ROOT / "docs" / "results" / "cifar10_runs.jsonl", ROOT / "docs" / "cifar10.md"
IMAGE = ROOT / "docs" / "images" / "cifar10.png"


def main() -> None:
    """Rewrite the page and the figure."""
    runs = _runs.read(RUNS)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), runs), encoding="utf-8")
    draw(runs)


def filled(text: str, runs: list[_runs.Result]) -> str:
    """``text`` with each table that it marks written anew."""
    return _pages.fill(text, {"recipes": recipes(runs), "curves": curves(runs)})


def recipes(runs: list[_runs.Result]) -> str:
    """Test accuracy after the last epoch, and points against FP32 of the same seeds."""
    rows = {row["name"].removeprefix("cifar10/"): row for row in rows_of(runs)}
    lines = []
    for name in names(runs):
        right, minus = rows[f"{name}/test_accuracy"], rows.get(f"{name}/minus_fp32")
        interval = f" ({minus['low']:+.2f} to {minus['high']:+.2f})" if minus and "low" in minus else ""
        spread = f" ± {right['std']:.2f}" if right["n"] > 1 else ""
        shown = f"{minus['value']:+.2f}{interval}" if minus else ""
        network, recipe = name.split("/")
        lines.append([network, f"`{recipe}`", f"{right['value']:.2f}{spread}", shown, str(right["n"])])
    return _pages.table(["network", "recipe", "test, %", "minus FP32, points (95 %)", "n"], lines)


def curves(runs: list[_runs.Result]) -> str:
    """Test accuracy by epoch of the first seed of each."""
    firsts = [min((run for run in runs if run["job"] == name), key=lambda run: run["seed"]) for name in names(runs)]
    epochs = range(max(run["epochs"] for run in firsts))
    head = ["epoch", *(run["job"] for run in firsts)]
    lines = [
        [str(n + 1), *(f"{run['curve'][n][1]:.1f}" if n < run["epochs"] else "" for run in firsts)] for n in epochs
    ]
    return _pages.table(head, lines)


def names(runs: list[_runs.Result]) -> list[str]:
    """The jobs, FP32 first."""
    return sorted({run["job"] for run in runs}, key=lambda name: (not name.endswith("/fp32"), name))


def draw(runs: list[_runs.Result]) -> None:
    """Test accuracy by epoch, a line a run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.add_subplot()
    for number, name in enumerate(names(runs)):
        for run in (run for run in runs if run["job"] == name):
            label = name if run is next(one for one in runs if one["job"] == name) else None
            values = [accuracy for _, accuracy in run["curve"]]
            axes.plot(range(1, len(values) + 1), values, color=f"C{number}", label=label)
    axes.set_xlabel("epoch")
    axes.set_ylabel("test accuracy, %")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(IMAGE, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
