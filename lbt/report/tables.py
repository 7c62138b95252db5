"""Means and standard deviations over seeds, ready for a figure, a page or a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any


@dataclass(frozen=True)
class Stat:
    """Mean and sample standard deviation of ``n`` values."""

    mean: float
    std: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Stat:
        """From the values themselves; the standard deviation of one value is 0."""
        values = list(values)
        return cls(fmean(values), stdev(values) if len(values) > 1 else 0.0, len(values))

    def show(self, digits: int = 1) -> str:
        """``97.2 ± 0.3``, without the deviation where there is one value."""
        return f"{self.mean:.{digits}f}" + (f" ± {self.std:.{digits}f}" if self.n > 1 else "")


NOT_MEASURED = "not measured"


def shown(stat: Stat | None) -> str:
    """:meth:`Stat.show`; words where no job of the group measured the metric."""
    return NOT_MEASURED if stat is None else stat.show()


def grouped(rows: Iterable[Mapping[str, Any]], metric: str) -> dict[str, Stat]:
    """``metric`` over the jobs of each group, in the order in which the groups first appear."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row.get(metric) is not None:
            values.setdefault(row["group"], []).append(float(row[metric]))
    return {group: Stat.of(found) for group, found in values.items()}


def markdown(header: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    """A Markdown table whose columns line up, so that it reads as well on a terminal."""
    lines = [list(header), *(list(row) for row in body)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    padded = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([padded[0], rule, *padded[1:]])
