"""Confidence in self-training: the share of images that count, and the balance of their classes."""

from __future__ import annotations

from lbt.report import figures
from lbt.report.found import Found
from lbt.report.page import Block

PLACE = 30
PANELS = {"mask_rate": "share of confident images", "class_balance": "class-balance loss"}


def block(found: Found) -> Block:
    """The mask rate and the class-balance term by step, of the methods that have them."""
    groups = found.by_group("adapt", "curve.parquet")
    figure, axes = figures.new(8.0, 3.0, len(PANELS))
    drawn = []
    for axis, (column, label) in zip(axes, PANELS.items(), strict=True):
        masked = {
            group: seeds for group, seeds in groups.items() if any(row.get(column) for rows in seeds for row in rows)
        }
        drawn += [(column, *point) for point in figures.curves(axis, masked, column, label)]
    if drawn:
        axes[0].legend(fontsize=8)
    return Block(
        "Adaptation: confidence and class balance",
        "Share of the unlabelled images whose predicted class is sure enough to train on, and the class-balance loss, "
        "by step. A share that falls to nothing, or a balance that grows, is how self-training collapses.",
        figure if drawn else figures.nothing("no method of this run masks images by confidence"),
        [("column", "group", "step", "mean", "least", "greatest"), *drawn],
    )
