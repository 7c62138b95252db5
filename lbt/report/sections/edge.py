"""Answers on a stream: the error of each method on the device, between its bounds."""

from __future__ import annotations

from matplotlib.figure import Figure

from lbt.report import figures
from lbt.report.found import Found
from lbt.report.page import Block
from lbt.report.tables import NOT_MEASURED, Stat, grouped, markdown, shown

PLACE = 25
BOUNDS = ("none", "supervised")
"""Methods that are no choice of a device: it does nothing, or has every label."""


def block(found: Found) -> Block:
    """Bars with their deviation over seeds, and the table with what each method costs."""
    rows = found.rows("edge")
    error, forgot = grouped(rows, "online_error"), grouped(rows, "forgetting")
    numbers = {
        name: grouped(rows, name) for name in ("memory/kept_bytes", "memory/peak_bytes", "milliseconds", "millijoules")
    }
    header = ["stream", "method", "recipe", "online error, %", "forgetting, points"]
    header += ["kept, KiB", "peak, KiB", "ms/image", "mJ/image"]
    body, data = [], []
    groups = dict.fromkeys(row["group"] for row in rows)
    for group in groups:
        stream, method, recipe = group.split("/")
        named = f"{method} (bound)" if method in BOUNDS else method
        kept, peak, time, energy = (found_.get(group) for found_ in numbers.values())
        cells = [_scaled(kept, 1024), _scaled(peak, 1024), _scaled(time, 1, 3), _scaled(energy, 1, 3)]
        body.append([stream, named, recipe, shown(error.get(group)), shown(forgot.get(group)), *cells])
        stat = error.get(group)
        data.append(
            (stream, method, recipe, *((f"{stat.mean:.4f}", f"{stat.std:.4f}", stat.n) if stat else ("", "", 0)))
        )
    return Block(
        "On the device: error on a stream while adapting",
        "Share of wrong answers over the whole stream, each given before the network changed by it; mean and standard "
        "deviation over seeds. Forgetting: accuracy on the source's test images before the stream minus after. Bytes, "
        "milliseconds and energy are counted for the board, not measured. none and supervised (every label, which no "
        "device has) are bounds.",
        _draw(error) if error else figures.nothing("no image of the stream has a label: the error is not measured"),
        [("stream", "method", "recipe", "mean", "std", "n"), *data],
        markdown(header, body),
    )


def _scaled(stat: Stat | None, unit: float, digits: int = 0) -> str:
    return NOT_MEASURED if stat is None else f"{stat.mean / unit:.{digits}f}"


def _draw(error: dict[str, Stat]) -> Figure:
    """A panel for each stream: error by method and recipe."""
    streams = list(dict.fromkeys(group.split("/")[0] for group in error))
    recipes = list(dict.fromkeys(group.split("/")[2] for group in error))
    figure, axes = figures.new(5.0 * len(streams), 3.2, len(streams))
    for axis, stream in zip(axes, streams, strict=True):
        methods = list(dict.fromkeys(group.split("/")[1] for group in error if group.startswith(f"{stream}/")))
        width = 0.8 / len(recipes)
        for index, recipe in enumerate(recipes):
            here = [(x, error[name]) for x, m in enumerate(methods) if (name := f"{stream}/{m}/{recipe}") in error]
            places = [x + width * (index - (len(recipes) - 1) / 2) for x, _ in here]
            means, spread = [s.mean for _, s in here], [s.std for _, s in here]
            axis.bar(places, means, width * 0.92, yerr=spread, color=figures.colour(index), label=recipe)
        axis.set_xticks(range(len(methods)), methods, rotation=30)
        axis.set(title=stream, ylabel="online error, %")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8)
    return figure
