"""Style, colours and files of the report's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lbt.artifacts import atomic

mpl.use("Agg")
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "lbt",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}
COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e", "#9498a0")


def colour(index: int) -> str:
    """The colour of the series ``index``."""
    return COLOURS[index % len(COLOURS)]


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write ``name.svg`` and ``name.png``, the same bytes for the same figure."""
    with mpl.rc_context(STYLE):
        figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, not before each drawing of each file
    for kind, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
        with atomic(folder / f"{name}.{kind}") as temporary, mpl.rc_context(STYLE):
            figure.savefig(temporary, format=kind, dpi=120, metadata=metadata)


def new(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with a row of axes, in the report's style."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes = figure.subplots(1, columns, squeeze=False)[0]
    return figure, list(axes)


def nothing(text: str) -> Figure:
    """A figure that says why there is nothing to see."""
    figure, (axis,) = new(6.0, 1.0)
    axis.axis("off")
    axis.text(0.5, 0.5, text, ha="center", va="center", color="0.4")
    return figure


def curves(
    axis: Axes, found: Mapping[str, list[list[dict[str, Any]]]], column: str, ylabel: str
) -> list[tuple[str, int, float, float, float]]:
    """Draw a column of training curves by step: the mean over seeds, and a band from the least to the greatest.

    Args:
        axis: where.
        found: group → one list of rows per seed.
        column: name of the column; rows in which it is missing are left out.
        ylabel: its name for people.

    Returns:
        What was drawn: (group, step, mean, least, greatest).
    """
    drawn = []
    for index, (group, seeds) in enumerate(found.items()):
        lines = [[(row["step"], row[column]) for row in rows if row.get(column) is not None] for rows in seeds]
        lines = [line for line in lines if line]
        if not lines:
            continue
        steps = [step for step, _ in lines[0]]
        values = np.array([[value for _, value in line] for line in lines if len(line) == len(steps)])
        axis.plot(steps, values.mean(0), color=colour(index), label=group, marker=".", markersize=4)
        axis.fill_between(steps, values.min(0), values.max(0), color=colour(index), alpha=0.15, linewidth=0)
        band = zip(values.mean(0), values.min(0), values.max(0), strict=True)
        drawn += [(group, step, *map(float, numbers)) for step, numbers in zip(steps, band, strict=True)]
    axis.set(xlabel="step", ylabel=ylabel)
    return drawn


def stacked(axis: Axes, sums: Mapping[str, Mapping[str, float]], parts: Sequence[str], xlabel: str) -> None:
    """Horizontal bars, each the sum of its parts.

    Args:
        axis: where.
        sums: bar → part → value.
        parts: order of the parts.
        xlabel: name and unit of the values.
    """
    names, offset = list(sums), np.zeros(len(sums))
    for index, part in enumerate(parts):
        values = np.array([sums[name].get(part, 0.0) for name in names])
        axis.barh(names, values, left=offset, color=colour(index), label=part)
        offset += values
    axis.set(xlabel=xlabel)
    axis.invert_yaxis()
