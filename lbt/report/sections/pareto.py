"""Accuracy against what it costs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.figure import Figure

from lbt.pareto import pareto
from lbt.report import figures
from lbt.report.found import UPPER_BOUND, Found
from lbt.report.page import Block
from lbt.report.tables import Stat, grouped

PLACE = 80


def block(found: Found) -> Block:
    """Each recipe's best method that a device can use, and the front of those that nothing beats in both."""
    cost = {row["parts"][1]: row for row in found.rows("hardware") if row["parts"][0] == "network"}
    stats = grouped(found.rows("adapt"), "target_accuracy")
    best: dict[str, tuple[str, Stat]] = {}
    for group, stat in stats.items():
        _, method, recipe = group.split("/")
        if method != UPPER_BOUND and (recipe not in best or stat.mean > best[recipe][1].mean):
            best[recipe] = (method, stat)
    points = [
        (f"{recipe}, {m}", cost[recipe]["energy_per_image_mj"], s) for recipe, (m, s) in best.items() if recipe in cost
    ]
    return Block(
        "Accuracy against cost",
        "Each recipe with its best method that needs no target labels: target accuracy against the energy of a "
        "training step. Along the dashed line nothing is both cheaper and better.",
        _draw(points)
        if points
        else figures.nothing("no method that a device can use has a measured accuracy in this run"),
        [
            ("recipe, method", "energy_per_image_mj", "mean", "std", "n"),
            *((label, energy, f"{s.mean:.4f}", f"{s.std:.4f}", s.n) for label, energy, s in points),
        ],
    )


def _draw(points: Iterable[tuple[str, float, Stat]]) -> Figure:
    """Target accuracy against energy, with the front of what nothing else beats in both.

    Args:
        points: (label, mJ per image, accuracy in percent).
    """
    figure, (axis,) = figures.new(5.5, 3.4)
    points = sorted(points, key=lambda point: (point[1], -point[2].mean))
    for index, (label, energy, stat) in enumerate(points):
        axis.errorbar(energy, stat.mean, stat.std, marker="o", markersize=5, color=figures.colour(index), capsize=3)
        axis.annotate(label, (energy, stat.mean), xytext=(5, 4), textcoords="offset points", fontsize=8)
    energies, means = (np.array(column) for column in zip(*((e, s.mean) for _, e, s in points), strict=True))
    front = pareto(means, energies)
    line = (energies[front], means[front])
    axis.plot(*line, color="0.4", linestyle="--", linewidth=1, zorder=0, drawstyle="steps-post")
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")
    axis.margins(x=0.25)
    axis.set(xlabel="energy of a training step, mJ per image (45 nm)", ylabel="target accuracy, %")
    return figure
