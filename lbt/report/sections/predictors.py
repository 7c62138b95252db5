"""Rank correlation of the predictors on architectures that they have not seen."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from lbt.report import figures
from lbt.report.found import Found
from lbt.report.page import Block
from lbt.report.tables import Stat, grouped, markdown

PLACE = 90


def block(found: Found) -> Block:
    """Kendall's tau by number of labels."""
    rows = found.rows("predictor")
    sizes = sorted(int(key.split("/")[0]) for key in rows[0] if key.endswith("/kendall_tau"))
    tau = {(group, size): stat for size in sizes for group, stat in grouped(rows, f"{size}/kendall_tau").items()}
    encoders = list(dict.fromkeys(group for group, _ in tau))
    body = [[encoder, *(tau[encoder, size].show(3) for size in sizes)] for encoder in encoders]
    return Block(
        "Predictors: Kendall's tau on held-out architectures",
        "NAS-Bench-201's cells; half of them are held out, and the predictor sees the accuracy of the given number of "
        "the others.",
        _draw(tau),
        [
            ("encoder", "size", "kendall_tau", "std", "n"),
            *((encoder, size, f"{s.mean:.4f}", f"{s.std:.4f}", s.n) for (encoder, size), s in tau.items()),
        ],
        markdown(["encoder", *(f"{size} labels" for size in sizes)], body),
    )


def _draw(tau: Mapping[tuple[str, int], Stat]) -> Figure:
    """Kendall's tau on held-out architectures by number of training architectures.

    Args:
        tau: by (encoder, training size).
    """
    figure, (axis,) = figures.new(5.0, 3.2)
    for index, encoder in enumerate(dict.fromkeys(name for name, _ in tau)):
        sizes = sorted(size for name, size in tau if name == encoder)
        stats = [tau[encoder, size] for size in sizes]
        means, deviations = [s.mean for s in stats], [s.std for s in stats]
        colour = figures.colour(index)
        axis.errorbar(sizes, means, deviations, color=colour, label=encoder, marker="o", markersize=4, capsize=3)
    axis.set_xscale("log")
    sizes = sorted({size for _, size in tau})
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.minorticks_off()
    axis.set(xlabel="training architectures", ylabel="Kendall's tau")
    axis.legend()
    return figure
