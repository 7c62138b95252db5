"""Regret of a search by number of evaluated architectures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from lbt.report import figures
from lbt.report.found import Found
from lbt.report.page import Block
from lbt.report.tables import Stat, markdown

PLACE = 100


def block(found: Found) -> Block:
    """Regret by number of evaluated architectures."""
    regret = {
        strategy: np.array([[row["regret"] for row in rows] for rows in seeds])
        for strategy, seeds in found.by_group("search", "curve.parquet").items()
    }
    body = [
        [strategy, str(values.shape[1]), Stat.of(values[:, -1]).show(2), str(len(values))]
        for strategy, values in regret.items()
    ]
    data = [
        (strategy, query + 1, *(f"{value:.4f}" for value in np.percentile(values[:, query], [25, 50, 75])))
        for strategy, values in regret.items()
        for query in range(values.shape[1])
    ]
    return Block(
        "Search: regret by number of evaluated architectures",
        "How far the best architecture found so far is below the best one of the table; median and quartiles over "
        "seeds.",
        _draw(regret),
        [("strategy", "queries", "lower_quartile", "median", "upper_quartile"), *data],
        markdown(["strategy", "queries", "final regret, points", "seeds"], body),
    )


def _draw(regret: Mapping[str, np.ndarray]) -> Figure:
    """Regret by number of evaluated architectures: median over seeds and the range between the quartiles.

    Args:
        regret: strategy → array (seeds, queries), percentage points below the best architecture of the table.
    """
    figure, (axis,) = figures.new(5.0, 3.2)
    for index, (strategy, values) in enumerate(regret.items()):
        queries = np.arange(1, values.shape[1] + 1)
        low, middle, high = np.percentile(values, [25, 50, 75], axis=0)
        axis.plot(queries, middle, color=figures.colour(index), label=strategy)
        axis.fill_between(queries, low, high, color=figures.colour(index), alpha=0.15, linewidth=0)
    axis.set(xlabel="evaluated architectures", ylabel="regret, points of accuracy")
    axis.set_ylim(bottom=0)
    axis.legend()
    return figure
