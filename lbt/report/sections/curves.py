"""Validation accuracy while adapting."""

from __future__ import annotations

from lbt.report import figures
from lbt.report.found import Found
from lbt.report.page import Block

PLACE = 20
UNTRAINED = ("source_only", "adabn")
COLUMNS = ("teacher_target_validation", "student_target_validation")


def block(found: Found) -> Block:
    """One line per group of seeds, of the network that would be deployed."""
    groups = {
        group: seeds
        for group, seeds in found.by_group("adapt", "curve.parquet").items()
        if group.split("/")[1] not in UNTRAINED
    }
    deployed = {group: [[_deployed(row) for row in rows] for rows in seeds] for group, seeds in groups.items()}
    figure, (axis,) = figures.new(6.0, 3.2)
    drawn = figures.curves(axis, deployed, "accuracy", "target validation accuracy, %")
    if drawn:
        axis.legend(fontsize=8)
    return Block(
        "Adaptation: validation accuracy while training",
        "Accuracy on the target's validation split of the network that would be deployed (for this curve only: nothing "
        "is chosen by it). Mean over seeds; the band reaches from the least to the greatest.",
        figure
        if drawn
        else figures.nothing("no method of this run trains on a target with labelled validation images"),
        [("group", "step", "mean", "least", "greatest"), *drawn],
    )


def _deployed(row: dict[str, float | None]) -> dict[str, float | None]:
    found = (row[column] for column in COLUMNS if row.get(column) is not None)
    return {"step": row["step"], "accuracy": next(found, None)}
