"""Quantization error of each tensor of the training step."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lbt.recipe import in_order
from lbt.report import figures
from lbt.report.found import Found
from lbt.report.page import Block

PLACE = 40

Cells = dict[str, dict[tuple[str, str], float]]


def block(found: Found) -> Block:
    """A heat map of the signal-to-quantization-noise ratio by layer and role, one panel per recipe."""
    cells: Cells = {}
    data: list[tuple[Any, ...]] = [("recipe", "step", "layer", "role", "sqnr_db")]
    layers: dict[str, None] = {}
    for recipe, rows in _trained(found).items():
        steps = [row["step"] for row in rows]
        for row in rows:
            data.append((recipe, row["step"], row["layer"], row["role"], f"{row['sqnr']:.3f}"))
            layers.setdefault(row["layer"])
        final = [row for row in rows if row["step"] == max(steps)]
        keys = {(row["layer"], row["role"]) for row in final}
        cells[recipe] = {key: fmean(row["sqnr"] for row in final if (row["layer"], row["role"]) == key) for key in keys}
    return Block(
        "Error analysis: signal to quantization noise, by layer and role",
        "Of the weights W, activations A, errors E (EG: the copy from which weight gradients are computed) and weight "
        "gradients G at the end of the first adaptation of each recipe, in dB: 6 dB is a bit. The CSV file has the "
        "earlier steps too; docs/error-analysis.md explains.",
        _draw(cells, list(layers)) if cells else figures.nothing("nothing in this run is quantized"),
        data,
    )


def _trained(found: Found) -> dict[str, list[dict[str, Any]]]:
    """The first job of each recipe in which something trained."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for job, rows in found.tables("adapt", "explain.parquet").items():
        rows = [row for row in rows if row["sqnr"] is not None and np.isfinite(row["sqnr"])]
        recipe = job.split("/")[2]
        if any(row["role"] == "G" for row in rows) and len({row["step"] for row in rows}) > 1:
            tables.setdefault(recipe, rows)
    return tables


def _draw(cells: Cells, layers: list[str]) -> Figure:
    roles = in_order(role for one in cells.values() for _, role in one)
    figure, axes = figures.new(1.2 + 0.55 * len(roles) * len(cells) + 1.6, 0.26 * len(layers) + 1.0, len(cells))
    numbers = [value for one in cells.values() for value in one.values()]
    for axis, (recipe, one) in zip(axes, cells.items(), strict=True):
        grid = np.array([[one.get((layer, role), np.nan) for role in roles] for layer in layers])
        image = axis.imshow(grid, aspect="auto", cmap="viridis", vmin=min(numbers), vmax=max(numbers))
        for (row, column), value in np.ndenumerate(grid):
            if np.isfinite(value):
                axis.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=6, color="white")
        axis.set_xticks(range(len(roles)), roles)
        axis.set_yticks(range(len(layers)), layers if axis is axes[0] else [""] * len(layers), fontsize=7)
        axis.set_title(recipe)
        axis.grid(visible=False)
    figure.colorbar(image, ax=axes, label="dB")
    return figure
