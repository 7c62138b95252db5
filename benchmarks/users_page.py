"""Tables of docs/edge.md on users; ``edge_page.py`` puts them in their places."""

from __future__ import annotations

from typing import Any

import _pages

SETS = ("fonts", "styles")
Rows = dict[str, dict[str, Any]]


def users(rows: Rows) -> str:
    """Accuracy, worst user and cost of each method on each set."""
    head = ["method", *(f"{kind}, %" for kind in SETS), *(f"worst loss, {kind}" for kind in SETS), "kept backbone",
            "package, share of backbone", "peak, share of `full`"]  # fmt: skip
    lines = []
    for method, recipe in methods(rows):
        names = [f"users/{kind}/{method}/{recipe}" for kind in SETS]
        cells = [_cell(rows.get(f"{name}/accuracy")) + _difference(rows.get(f"{name}/minus_full")) for name in names]
        worst = [_number(rows.get(f"{name}/worst_drop"), "{:.1f}") for name in names]
        parts = [
            (f"{names[0]}/rolled_back", "{:.0%}"),
            (f"{names[0]}/share_of_backbone", "{:.1%}"),
            (f"{names[0]}/peak", "{:.2f}"),
        ]
        lines.append([f"`{method}`, {recipe}", *cells, *worst, *(_number(rows.get(n), form) for n, form in parts)])
    return _pages.table(head, lines)


def package(rows: Rows) -> str:
    """The goals' numbers of the default."""
    lines = []
    for kind in SETS:
        apart, worst = rows.get(f"users/{kind}/package/int8/minus_full"), rows.get(f"users/{kind}/worst_drop")
        shares = [rows.get(f"package/{kind}/{part}") for part in ("operations", "step_operations", "share_of_backbone")]
        count = "" if apart is None else str(apart["n"])
        lines.append(
            [
                f"`{kind}`",
                count,
                _difference(apart).strip(" ()"),
                _number(worst, "{:.1f}"),
                *(_number(s, "{:.1%}") for s in shares),
            ]
        )
    table = _pages.table(["set", "users × seeds", "int8 package − `full`, points", "worst loss, points", "operations",
                          "operations of a training step", "package"], lines)  # fmt: skip
    times = [rows.get(f"users/time/{part}") for part in ("apply", "masked_step/x_whole")]
    if None in times:
        return table
    on, step = (row["value"] for row in times if row)
    return (
        f"{table}\n\nA package was put on in {on:.1f} ms. A training step of all parameters at half of the operations "
        f"took {step:.2f} of the\ntime of the whole network's (3 × 32 × 32, 64 images, int8 emulated on one busy core; "
        "random masks)."
    )


def methods(rows: Rows) -> list[tuple[str, str]]:
    """Methods and recipes, best first on the first set; sources last."""
    found = {tuple(name.split("/")[2:4]): row["value"] for name, row in rows.items()
             if name.startswith(f"users/{SETS[0]}/") and name.endswith("/accuracy")}  # fmt: skip
    return sorted(found, key=lambda key: -found[key])  # type: ignore[return-value]


def _cell(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['value']:.1f} ± {row['std']:.1f}"


def _number(row: dict[str, Any] | None, form: str) -> str:
    return "" if row is None else form.format(row["value"])


def _difference(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    return f" ({row['value']:+.1f}" + (f" ± {row['interval']:.1f})" if "interval" in row else ")")
