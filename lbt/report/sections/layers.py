"""Time of a training step by layer, and utilisation of the array by product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lbt.report import figures
from lbt.report.found import Found
from lbt.report.page import Block
from lbt.report.sections.cost import cheapest, in_order

PLACE = 60
COLUMNS = ("layer", "kind", "pass", "macs", "dataflow", "cycles", "utilisation", "bound", "energy_joules")


def block(found: Found) -> Block:
    """Cycles and utilisation by layer and pass of the pretrained network, under the cheapest recipe of the run."""
    tables, job = found.tables("hardware", "layers.parquet"), cheapest(found)
    return Block(
        "Hardware: cycles and utilisation by layer",
        f"Of a training step of {job.replace('/', ' under ')}, the cheapest recipe of the run: cycles of each layer by "
        "pass, and the share of the array's multiply-accumulate units that each product keeps busy with the dataflow "
        "that suits it best (OS, WS, IS: output, weight, input stationary). The CSV file has all recipes.",
        _draw(tables[job]),
        [
            ("job", *COLUMNS),
            *((name, *(row[column] for column in COLUMNS)) for name, found_ in tables.items() for row in found_),
        ],
    )


def _draw(rows: list[dict[str, Any]]) -> Figure:
    cycles: dict[str, dict[str, float]] = {}
    for row in rows:
        sums = cycles.setdefault(row["layer"] or row["kind"], {})
        sums[row["pass"]] = sums.get(row["pass"], 0.0) + row["cycles"] / 1000
    cycles = {layer: sums for layer, sums in cycles.items() if sum(sums.values())}
    products = [row for row in rows if row["macs"]]
    figure, (left, right) = figures.new(9.0, max(2.6, 0.24 * len(cycles) + 1.0), 2)
    passes = in_order({name: None for sums in cycles.values() for name in sums})
    figures.stacked(left, cycles, passes, "cycles of a step, thousands")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=5, fontsize=8)
    _utilisation(right, products)
    return figure


def _utilisation(axis: Axes, products: Sequence[Mapping[str, Any]]) -> None:
    layers = list(dict.fromkeys(row["layer"] for row in products))
    passes = in_order({row["pass"]: None for row in products})
    grid = np.full((len(layers), len(passes)), np.nan)
    for row in products:
        place = layers.index(row["layer"]), passes.index(row["pass"])
        grid[place] = row["utilisation"] * 100
        axis.text(place[1], place[0], f"{row['dataflow'].upper()} {grid[place]:.0f} %", ha="center", va="center",
                  fontsize=7)  # fmt: skip
    axis.imshow(grid, aspect="auto", cmap="Blues", vmin=0, vmax=160)
    axis.set_xticks(range(len(passes)), passes)
    axis.set_yticks(range(len(layers)), layers, fontsize=7)
    axis.set_title("utilisation of the array")
    axis.grid(visible=False)
