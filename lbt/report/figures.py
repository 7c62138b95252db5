"""The figures of the report, one function each: data in, a matplotlib figure out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lbt.artifacts import atomic
from lbt.report.tables import Stat

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
    for kind, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
        with atomic(folder / f"{name}.{kind}") as temporary, mpl.rc_context(STYLE):
            figure.savefig(temporary, format=kind, dpi=120, metadata=metadata)


def new(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with a row of axes, in the report's style."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes = figure.subplots(1, columns, squeeze=False)[0]
    return figure, list(axes)


def accuracy(stats: Mapping[str, Stat], before: Mapping[str, float]) -> Figure:
    """Target accuracy by method and recipe, one panel per pair, bars with the deviation over seeds.

    Args:
        stats: by group ``pair/method/recipe``, percent.
        before: accuracy of the pretrained network on the target, by pair.
    """
    pairs = list(dict.fromkeys(group.split("/")[0] for group in stats))
    recipes = list(dict.fromkeys(group.split("/")[2] for group in stats))
    longest = max(sum(group.startswith(f"{pair}/") for group in stats) for pair in pairs) / len(recipes)
    figure, axes = new(max(5.0, 1.5 * longest) * len(pairs), 3.2, len(pairs))
    for axis, pair in zip(axes, pairs, strict=True):
        methods = list(dict.fromkeys(group.split("/")[1] for group in stats if group.startswith(f"{pair}/")))
        width = 0.8 / len(recipes)
        for index, recipe in enumerate(recipes):
            found = [
                (x, stats[f"{pair}/{m}/{recipe}"]) for x, m in enumerate(methods) if f"{pair}/{m}/{recipe}" in stats
            ]
            places = [x + width * (index - (len(recipes) - 1) / 2) for x, _ in found]
            axis.bar(places, [s.mean for _, s in found], width * 0.92, color=colour(index), label=recipe,
                     yerr=[s.std for _, s in found], error_kw={"linewidth": 1})  # fmt: skip
        axis.axhline(before[pair], color="0.3", linestyle="--", linewidth=1, label="pretrained, float")
        axis.set_xticks(range(len(methods)), methods)
        axis.set_title(pair.replace("-", " → "))
        axis.set_ylabel("target accuracy, %")
        low = min([s.mean - s.std for g, s in stats.items() if g.startswith(f"{pair}/")] + [before[pair]])
        axis.set_ylim(max(0.0, np.floor(low / 10) * 10 - 5), 101)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8)
    return figure


def curves(found: Mapping[str, list[list[dict[str, Any]]]], column: str, ylabel: str) -> Figure:
    """A column of the training curves by step: the mean over seeds, and a band from the least to the greatest.

    Args:
        found: group → one list of rows per seed.
        column: name of the column; rows in which it is missing are left out.
    """
    figure, (axis,) = new(6.0, 3.2)
    for index, (group, seeds) in enumerate(found.items()):
        lines = [[(row["step"], row[column]) for row in rows if row.get(column) is not None] for rows in seeds]
        lines = [line for line in lines if line]
        if not lines:
            continue
        steps = [step for step, _ in lines[0]]
        values = np.array([[value for _, value in line] for line in lines if len(line) == len(steps)])
        axis.plot(steps, values.mean(0), color=colour(index), label=group, marker=".", markersize=4)
        axis.fill_between(steps, values.min(0), values.max(0), color=colour(index), alpha=0.15, linewidth=0)
    axis.set(xlabel="step", ylabel=ylabel)
    axis.legend(fontsize=8)
    return figure


def predictors(tau: Mapping[tuple[str, int], Stat]) -> Figure:
    """Kendall's tau on held-out architectures by number of training architectures.

    Args:
        tau: by (encoder, training size).
    """
    figure, (axis,) = new(5.0, 3.2)
    for index, encoder in enumerate(dict.fromkeys(name for name, _ in tau)):
        sizes = sorted(size for name, size in tau if name == encoder)
        stats = [tau[encoder, size] for size in sizes]
        axis.errorbar(sizes, [s.mean for s in stats], [s.std for s in stats], color=colour(index), label=encoder,
                      marker="o", markersize=4, capsize=3)  # fmt: skip
    axis.set_xscale("log")
    sizes = sorted({size for _, size in tau})
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.minorticks_off()
    axis.set(xlabel="training architectures", ylabel="Kendall's tau")
    axis.legend()
    return figure


def search(regret: Mapping[str, np.ndarray]) -> Figure:
    """Regret by number of evaluated architectures: median over seeds and the range between the quartiles.

    Args:
        regret: strategy → array (seeds, queries), percentage points below the best architecture of the table.
    """
    figure, (axis,) = new(5.0, 3.2)
    for index, (strategy, values) in enumerate(regret.items()):
        queries = np.arange(1, values.shape[1] + 1)
        low, middle, high = np.percentile(values, [25, 50, 75], axis=0)
        axis.plot(queries, middle, color=colour(index), label=strategy)
        axis.fill_between(queries, low, high, color=colour(index), alpha=0.15, linewidth=0)
    axis.set(xlabel="evaluated architectures", ylabel="regret, points of accuracy")
    axis.set_ylim(bottom=0)
    axis.legend()
    return figure


def supernet(one: Sequence[float], two: Sequence[float], tau: float) -> Figure:
    """One-shot accuracy of the sampled architectures on two halves of the validation images: how noisy a score is."""
    figure, (left, right) = new(7.0, 3.0, 2)
    left.hist((np.asarray(one) + np.asarray(two)) * 50, bins=30, color=colour(0))
    left.set(xlabel="one-shot accuracy, %", ylabel="architectures")
    right.scatter(np.asarray(one) * 100, np.asarray(two) * 100, s=5, color=colour(0), alpha=0.5, linewidths=0)
    right.set(xlabel="on even images, %", ylabel="on odd images, %", title=f"Kendall's tau between halves {tau:.2f}")
    return figure


def cost(by_pass: Mapping[str, Mapping[str, float]], lut: Mapping[str, float]) -> Figure:
    """Energy of a training step by pass, and the LUTs of one multiply-accumulate unit, by network and recipe.

    Args:
        by_pass: job → pass → mJ per image.
        lut: job → LUTs of one MAC.
    """
    figure, (left, right) = new(8.0, max(2.4, 0.32 * len(by_pass) + 1.0), 2)
    names, passes = list(by_pass), list(dict.fromkeys(p for sums in by_pass.values() for p in sums))
    offset = np.zeros(len(names))
    for index, stage in enumerate(passes):
        values = np.array([by_pass[name].get(stage, 0.0) for name in names])
        left.barh(names, values, left=offset, color=colour(index), label=stage)
        offset += values
    left.set(xlabel="energy, mJ per image (45 nm)")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=5, fontsize=8)
    left.invert_yaxis()
    right.barh(names, [lut[name] for name in names], color=colour(0))
    right.set(xlabel="LUT per MAC unit")
    right.set_yticklabels([])
    right.invert_yaxis()
    return figure


def pareto(points: Iterable[tuple[str, float, Stat]]) -> Figure:
    """Target accuracy against energy, with the front of what nothing else beats in both.

    Args:
        points: (label, mJ per image, accuracy in percent).
    """
    figure, (axis,) = new(5.5, 3.4)
    points = sorted(points, key=lambda point: (point[1], -point[2].mean))
    best, front = -np.inf, []
    for index, (label, energy, stat) in enumerate(points):
        axis.errorbar(energy, stat.mean, stat.std, marker="o", markersize=5, color=colour(index), capsize=3)
        axis.annotate(label, (energy, stat.mean), xytext=(5, 4), textcoords="offset points", fontsize=8)
        if stat.mean > best:
            best = stat.mean
            front.append((energy, stat.mean))
    axis.plot(*zip(*front, strict=True), color="0.4", linestyle="--", linewidth=1, zorder=0, drawstyle="steps-post")
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")
    axis.margins(x=0.25)
    axis.set(xlabel="energy of a training step, mJ per image (45 nm)", ylabel="target accuracy, %")
    return figure
