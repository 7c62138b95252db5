"""Tables of docs/claims.md on parts of a network, devices, labels, bits that follow, and small architectures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import _pages

from . import device, following, labels, parts, proxies, widening
from ._cells import interval, spread

Rows = Mapping[str, dict[str, Any]]


def tables(rows: Rows) -> dict[str, str]:
    """Every table by its name on the page."""
    return {
        "parts": of_parts(rows),
        "drift": of_drift(rows),
        "faults": of_faults(rows),
        "labels": of_labels(rows),
        "following": of_following(rows),
        "widening": of_widening(rows),
        "proxies": of_proxies(rows),
    }


def of_parts(rows: Rows) -> str:
    """Each variant of what is trained."""
    lines = []
    for name in ("none", *parts.VARIANTS):
        label = f"claim/{parts.NUMBER}/{name}"
        share, operations = rows.get(f"{label}/share_of_gain"), rows.get(f"{label}/operations")
        cells = [spread(rows.get(f"{label}/accuracy")), interval(rows.get(f"{label}/minus_all")), spread(share, 0)]
        lines.append([name, *cells, f"{operations['value']:.2f}" if operations else "", *seeds(rows, label)])
    head = ["trained", "accuracy, %", "minus all", "share of the gain, %", "operations, of all", "n"]
    return _pages.table(head, measured(lines))


def of_drift(rows: Rows) -> str:
    """Time and repairs."""
    names = ("digital", "programmed", "day", "year", "compensated", "statistics", "trained")
    label = f"claim/{device.NUMBER}/drift"
    lines = []
    for name in names:
        regained = spread(rows.get(f"{label}/{name}/share_regained"), 0)
        cells = [spread(rows.get(f"{label}/{name}/accuracy")), regained]
        lines.append([name, *cells, *seeds(rows, f"{label}/{name}")])
    return _pages.table(["weights", "accuracy, %", "of the loss regained, %", "n"], measured(lines))


def of_faults(rows: Rows) -> str:
    """Stuck devices."""
    lines = []
    for share in device.SHARES:
        cells = []
        for kind in device.KINDS:
            for after in ("", "/trained"):
                cells.append(interval(rows.get(f"claim/{device.NUMBER}/faults/{kind}/{share}{after}/minus_zero/0")))
        lines.append([f"{share} %", *cells])
    head = [f"at {kind}{after}" for kind in ("zero", "the largest value") for after in ("", ", then trained")]
    return _pages.table(["stuck", *head], measured(lines))


def of_labels(rows: Rows) -> str:
    """Each source of labels."""
    given = {"none": "0", "weak": f"{labels.SIGNALS} times right or wrong"}
    lines = []
    for name in labels.SOURCES:
        label = f"claim/{labels.NUMBER}/{name}"
        minus = [interval(rows.get(f"{label}/minus_{other}")) for other in ("none", "random")]
        shown = given.get(name, f"{labels.BUDGET} labels")
        lines.append([name, shown, spread(rows.get(f"{label}/accuracy")), *minus, *seeds(rows, label)])
    head = ["source", "from the user", "accuracy, %", "minus none", "minus random", "n"]
    return _pages.table(head, [line for line in lines if line[2]])


def of_following(rows: Rows) -> str:
    """Widths of the errors."""
    lines = []
    for name in ("following", *(f"fixed {bits}" for bits in following.FIXED)):
        label = f"claim/{following.NUMBER}/{name}"
        cells = [spread(rows.get(f"{label}/{part}")) for part in ("accuracy", "bits", "last bits")]
        lines.append([name, *cells, interval(rows.get(f"{label}/minus_8")), *seeds(rows, label)])
    head = ["bits of E", "accuracy, %", "bits, mean of all steps", "bits at the end", "minus fixed 8", "n"]
    return _pages.table(head, measured(lines))


def of_widening(rows: Rows) -> str:
    """Rewards of a controller."""
    lines = []
    for name in ("random", *widening.REWARDS):
        label = f"claim/{widening.NUMBER}"
        regret = rows.get(f"{label}/{name}/regret")
        ahead = interval(rows.get(f"{label}/random minus {name}/regret"), 2)
        n = str(regret["n"]) if regret else ""
        lines.append([name, spread(regret, 2), spread(rows.get(f"{label}/{name}/mode"), 2), ahead, n])
    head = ["reward", "regret of the best evaluated", "regret of the controller's mode", "ahead of random", "n"]
    return _pages.table(head, measured(lines))


def of_proxies(rows: Rows) -> str:
    """Orders of small architectures."""
    named = {
        "repeat": "all labels, other initial weights",
        "part": f"{proxies.PART} labels",
        "self": "no labels: quarters of a turn",
        "tricks": "all labels, shifted images, smoothed labels",
    }
    lines = []
    for name, shown in named.items():
        label = f"claim/{proxies.NUMBER}"
        tau = rows.get(f"{label}/{name}/tau")
        less = interval(rows.get(f"{label}/repeat minus {name}/tau"), 2)
        lines.append([shown, spread(tau, 2), less, str(tau["n"]) if tau else ""])
    return _pages.table(["order by", "Kendall's tau with all labels", "less than by all labels", "n"], measured(lines))


def seeds(rows: Rows, label: str) -> list[str]:
    """The cell with the number of seeds of an accuracy."""
    one = rows.get(f"{label}/accuracy")
    return [str(one["n"]) if one else ""]


def measured(lines: Iterable[list[str]]) -> list[list[str]]:
    """The lines that have a number."""
    return [line for line in lines if any(line[1:])]
