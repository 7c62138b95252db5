"""Tables of docs/edge.md on users; ``edge_page.py`` puts them in their places."""

from __future__ import annotations

from typing import Any

import _pages

SETS = ("fonts", "styles")
Rows = dict[str, dict[str, Any]]


FEWEST = 5
"""Users below which an interval says nothing."""


def users(rows: Rows) -> str:
    """Each method against the bound, on the users that both were measured on; the best on the first set first."""
    head = ["method", "users", *(f"{kind}, points to `full`" for kind in SETS), "worst loss", "kept backbone"]
    lines = []
    for method, recipe in methods(rows):
        names = [f"users/{kind}/{method}/{recipe}" for kind in SETS]
        found = [rows[f"{name}/minus_full"] for name in names if f"{name}/minus_full" in rows]
        apart = [_difference(rows.get(f"{name}/minus_full")) for name in names]
        worst = max(rows[f"{name}/worst_drop"]["value"] for name in names if f"{name}/worst_drop" in rows)
        back = [rows[f"{name}/rolled_back"] for name in names if f"{name}/rolled_back" in rows]
        kept = sum(row["n"] * row["value"] for row in back)
        count = " + ".join(str(row["n"]) for row in found)
        shares = [rows.get(f"{names[0]}/share_of_backbone"), rows.get(f"{names[0]}/peak")]
        cells = [f"`{method}`, {recipe}", count, *apart, f"{worst:.1f}", f"{kept:.0f}"]
        cells += [_number(shares[0], "{:.1%}"), _number(shares[1], "{:.2f}")]
        lines.append([*cells, *(_both(rows, names, part) for part in ("given_up", "points_per_label"))])
    return _pages.table([*head, "package", "peak, x `full`", "given up", "points a label"], lines)


def package(rows: Rows) -> str:
    """The numbers of the goals, for the default."""
    head = ["set", "users", "before, %", "package, %", "`full` in fp32, %", "package − `full`", "worst loss"]
    lines = []
    for kind in SETS:
        parts = ["source/int8/accuracy", "package/int8/accuracy", "full/fp32/accuracy"]
        apart = rows.get(f"users/{kind}/package/int8/minus_full")
        count = "" if apart is None else str(apart["n"])
        shown = [_cell(rows.get(f"users/{kind}/{part}")) for part in parts]
        worst = _number(rows.get(f"users/{kind}/worst_drop"), "{:.1f}")
        shares = [rows.get(f"package/{kind}/{part}") for part in ("operations", "share_of_backbone")]
        cells = [f"`{kind}`", count, *shown, _difference(apart), worst]
        lines.append([*cells, *(_number(share, "{:.1%}") for share in shares)])
    table = _pages.table([*head, "operations", "size"], lines)
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
    """Methods and recipes, the nearest to the bound on the first set first."""
    found = {
        tuple(name.split("/")[2:4]): row["value"]
        for name, row in rows.items()
        if name.startswith(f"users/{SETS[0]}/") and name.endswith("/minus_full")
    }
    return sorted(found, key=lambda key: -found[key])  # type: ignore[return-value]


def _both(rows: Rows, names: list[str], part: str) -> str:
    """A row of each set, where there is one."""
    found = [rows.get(f"{name}/{part}") for name in names]
    return "; ".join(_number(row, "{:.2f}") + f" ± {row['std']:.2f}" for row in found if row is not None)


def _cell(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['value']:.1f} ± {row['std']:.1f}"


def _number(row: dict[str, Any] | None, form: str) -> str:
    return "" if row is None else form.format(row["value"])


def _difference(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    return f"{row['value']:+.1f}" + (f" ± {row['interval']:.1f}" if row["n"] >= FEWEST else "")
