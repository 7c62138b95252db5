"""Noise of one-shot scores: two halves of the validation images compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from lbt.artifacts import read_table
from lbt.report import figures
from lbt.report.found import Found
from lbt.report.page import Block
from lbt.report.tables import markdown

PLACE = 110


def block(found: Found) -> Block:
    """The scores of the sampled architectures on two halves of the validation images."""
    ((name, folder),) = found.jobs["supernet"].items()
    scores, metrics = read_table(folder / "scores.parquet"), found.metrics("supernet", name)
    one, two = (scores.column(f"accuracy_{half}").to_pylist() for half in ("even", "odd"))
    body = [[name.split("/")[0], str(metrics["architectures"]), f"{metrics['accuracy/best'] * 100:.1f}",
             f"{metrics['accuracy/mean'] * 100:.1f}", f"{metrics['halves/kendall_tau']:.3f}"]]  # fmt: skip
    return Block(
        "Supernet: one-shot scores",
        "Accuracy of sampled architectures with the shared weights. Where two halves of the validation images rank the "
        "architectures differently, a single score cannot be trusted either.",
        _draw(one, two, metrics["halves/kendall_tau"]),
        [("accuracy_even", "accuracy_odd"), *zip(one, two, strict=True)],
        markdown(["domain", "architectures", "best, %", "mean, %", "tau between halves"], body),
    )


def _draw(one: Sequence[float], two: Sequence[float], tau: float) -> Figure:
    """One-shot accuracy of the sampled architectures on two halves of the validation images: how noisy a score is."""
    figure, (left, right) = figures.new(7.0, 3.0, 2)
    left.hist((np.asarray(one) + np.asarray(two)) * 50, bins=30, color=figures.colour(0))
    left.set(xlabel="one-shot accuracy, %", ylabel="architectures")
    right.scatter(np.asarray(one) * 100, np.asarray(two) * 100, s=5, color=figures.colour(0), alpha=0.5, linewidths=0)
    right.set(xlabel="on even images, %", ylabel="on odd images, %", title=f"Kendall's tau between halves {tau:.2f}")
    return figure
