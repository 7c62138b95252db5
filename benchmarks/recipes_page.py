"""Fills the tables of docs/numerics.md and docs/batch-norm.md from docs/results/recipes.json, and draws the ablations.

    python benchmarks/recipes_page.py

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; a test fails when page and numbers disagree.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import _pages

ROOT = Path(__file__).resolve().parents[1]
RESULTS, IMAGE = ROOT / "docs" / "results" / "recipes.json", ROOT / "docs" / "images" / "recipes.png"
PAGES = (ROOT / "docs" / "numerics.md", ROOT / "docs" / "batch-norm.md")
ABLATION = "blended/ablation/"

README = "[a reimplementation's list](https://github.com/leliyliu/Fixed-Point-Training)"
PUBLISHED = {
    "mls-e2m1": ("several networks, CIFAR-10", "within −1", "abstract of arXiv 2006.02804"),
    "mls-e2m4": ("ResNet-18, ImageNet", "within −1", "abstract of arXiv 2006.02804"),
    "unified-int8": ("ResNet-20, CIFAR-10", "−0.4 (92.32 → 91.95)", README),
    "fp8": ("ResNet-20, CIFAR-10", "−0.1 (92.32 → 92.21)", README),
    "wageubn": ("MobileNetV2, CIFAR-10", "−2.1 (94.39 → 92.32)", README),
}
"""Recipe → network and data, points against float, where it stands."""

Rows = dict[str, dict[str, Any]]


def main() -> None:
    """Rewrite the pages and the figure."""
    rows = read_rows()
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), rows), encoding="utf-8")
    draw(rows)


def read_rows() -> Rows:
    """All rows of the committed results, by name."""
    return {row["name"]: row for row in json.loads(RESULTS.read_text(encoding="utf-8"))}


def filled(text: str, rows: Rows) -> str:
    """``text`` with each table that it marks written anew."""
    makers = {"recipes": recipes, "ablations": ablations, "norms": norms, "published": published}
    made = {name: maker(rows) for name, maker in makers.items()}
    return _pages.fill(text, {name: _pages.table(head, lines) for name, (head, *lines) in made.items()})


def recipes(rows: Rows) -> list[list[str]]:
    """Accuracy and points against FP32 of each recipe on both tasks."""
    labels = sorted({name.split("/")[1] for name in rows if "/ablation/" not in name}, key=lambda r: (r != "fp32", r))
    tasks = ("digits", "blended")
    head = ["recipe", *(text for task in tasks for text in (f"{task}, %", "minus FP32", "n"))]
    lines = [head]
    for label in labels:
        cells = [f"`{label}`"]
        for task in tasks:
            name = f"{task}/{label}"
            minus = "" if label == "fp32" else cell(rows.get(f"{name}/minus_fp32"), signed=True)
            count = rows.get(f"{name}/accuracy", {}).get("n", "")
            cells += [cell(rows.get(f"{name}/accuracy")), minus, str(count)]
        lines.append(cells)
    return lines


def ablations(rows: Rows) -> list[list[str]]:
    """Points against FP32 of what was changed, one ingredient at a time; norms have their own table."""
    lines = [["ingredient", "changed", "minus FP32", "n"]]
    for name in ordered(rows):
        kind, changed = name.removeprefix(ABLATION).split("/", 1)
        if kind != "norm":
            row = rows[f"{name}/minus_fp32"]
            lines.append([kind, changed, cell(row, signed=True), str(row["n"])])
    return lines


def norms(rows: Rows) -> list[list[str]]:
    """Accuracy of each norm beside what it costs for each element of a training step."""
    from lbt.nn.norms import NORMS, cost

    lines = [["norm", "minus FP32", "n", "operations per element", "reads", "float units"]]
    for name in NORMS.names():
        row = rows.get(f"{ABLATION}norm/{name}/minus_fp32")
        price = cost(name)
        both = price.forward.element + price.backward.element
        operations = both.adds + both.multiplies + both.divides + both.square_roots + both.comparisons
        reads = f"{price.forward.reads:g} + {price.backward.reads:g}"
        units = str(len(price.float_units)) if price.float_units else "none"
        lines.append(
            [f"`{name}`", cell(row, signed=True), str(row["n"] if row else ""), f"{operations:g}", reads, units]
        )
    return lines


def published(rows: Rows) -> list[list[str]]:
    """Points against float as published, beside ours on both tasks."""
    lines = [["recipe", "published for", "minus float", "where", "ours, digits", "ours, blended"]]
    for label, (data, minus, where) in PUBLISHED.items():
        ours = [cell(rows.get(f"{task}/{label}/minus_fp32"), signed=True) for task in ("digits", "blended")]
        lines.append([f"`{label}`", data, minus, where, *ours])
    return lines


def ordered(rows: Rows) -> list[str]:
    """Names of the ablations, in the order of the results."""
    return [n.removesuffix("/minus_fp32") for n in rows if n.startswith(ABLATION) and n.endswith("/minus_fp32")]


def cell(row: dict[str, Any] | None, *, signed: bool = False) -> str:
    """Mean ± standard deviation, in percent or points."""
    if row is None:
        return ""
    text = f"{row['value']:+.1f}" if signed else f"{row['value']:.1f}"
    spread = f" ± {row['std']:.1f}" if row["n"] > 1 else ""
    return text.replace("-", "−") + spread


def draw(rows: Rows) -> None:
    """One bar for each ablation: points against FP32, with the standard deviation over seeds."""
    from matplotlib.figure import Figure

    names = ordered(rows)
    labels = [name.removeprefix(ABLATION) for name in names]
    values = [rows[f"{name}/minus_fp32"]["value"] for name in names]
    spreads = [rows[f"{name}/minus_fp32"]["std"] for name in names]
    kinds = list(dict.fromkeys(label.split("/")[0] for label in labels))
    figure = Figure(figsize=(7, 0.6 + 0.2 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    colours = [f"C{kinds.index(label.split('/')[0]) % 10}" for label in labels]
    axes.barh(range(len(names)), values, xerr=spreads, color=colours, error_kw={"lw": 0.8})
    axes.set_yticks(range(len(names)), labels, fontsize=7)
    axes.invert_yaxis()
    axes.axvline(0, color="black", lw=0.8)
    axes.set_xlim(left=max(-30.0, min(values) - 2))
    axes.set_xlabel("points against FP32, blended digits (bars that reach the edge go on)")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(IMAGE, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
