"""Cost of each batch norm in the training step."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from lbt.report import figures
from lbt.report.found import Found
from lbt.report.page import Block
from lbt.report.sections.cost import cheapest
from lbt.report.tables import markdown

PLACE = 70
COLUMNS = {
    "norm": "norm",
    "adds": "adds",
    "multiplies": "multiplies",
    "comparisons": "comparisons",
    "lane_lut": "LUT per lane",
    "images_per_second": "images/s",
    "energy_per_image_mj": "mJ/image",
    "norm_cycles_share": "share of cycles",
}


def block(found: Found) -> Block:
    """The pretrained network with each norm in turn, under the cheapest recipe of the run."""
    job = cheapest(found)
    rows = found.tables("hardware", "norms.parquet")[job]
    rows.sort(key=lambda row: (-row["images_per_second"], row["lane_lut"]))
    shown = [[_show(row[column]) for column in COLUMNS] for row in rows]
    return Block(
        "Hardware: what a batch norm costs",
        f"The {job.replace('/', ' under ')} with each batch norm in the place of its own: operations per element "
        "(forward and backward), LUTs of a lane, and what the training step becomes. docs/batch-norm.md explains each.",
        _draw(rows),
        [list(COLUMNS), *([row[column] for column in COLUMNS] for row in rows)],
        markdown(COLUMNS.values(), shown),
    )


def _show(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _draw(rows: list[dict[str, Any]]) -> Figure:
    names = [row["norm"] for row in rows]
    panels = {
        "images_per_second": "images per second",
        "norm_cycles_share": "share of cycles",
        "lane_lut": "LUT per lane",
    }
    figure, axes = figures.new(9.0, 0.28 * len(rows) + 1.0, len(panels))
    for axis, (column, label) in zip(axes, panels.items(), strict=True):
        axis.barh(names, [row[column] for row in rows], color=figures.colour(0))
        axis.set(xlabel=label)
        axis.invert_yaxis()
        if axis is not axes[0]:
            axis.set_yticklabels([])
    return figure
