"""The table of :func:`lbt.nn.explain` as a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lbt.errors import LbtError, unknown
from lbt.recipe import in_order

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure


def heat_map(table: pa.Table, column: str = "sqnr", *, role: str | None = None) -> Figure:
    """Layers × roles at the table's last step; or, for one ``role``, layers × steps: how it changes in training.

    Args:
        table: of :func:`lbt.nn.explain`, or of :class:`lbt.error_analysis.explain.History`.
        column: the number that gives the colour.
        role: as in the table.

    Raises:
        LbtError: the table is empty or has no such column or role.
    """
    from matplotlib.figure import Figure

    if column not in table.column_names:
        raise LbtError(f"heat map: unknown column {column!r}; accepted: {', '.join(table.column_names)}")
    rows = table.to_pylist()
    across = "role" if role is None else "step"
    if role is None:
        last = max(row["step"] for row in rows)
        rows = [row for row in rows if row["step"] == last]
        columns: list[Any] = in_order(row["role"] for row in rows)
    else:
        present = sorted({row["role"] for row in rows})
        if role not in present:
            raise unknown("role", role, present, "heat map")
        rows = [row for row in rows if row["role"] == role]
        columns = sorted({row["step"] for row in rows})
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    values = {(row["layer"], row[across]): row[column] for row in rows}
    grid = [[_number(values.get((layer, name))) for name in columns] for layer in layers]
    figure = Figure(figsize=(1.6 + 0.9 * len(columns), 1.2 + 0.32 * len(layers)), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(grid, aspect="auto", cmap="viridis")
    axes.set_xticks(range(len(columns)), [str(name) for name in columns])
    axes.set_yticks(range(len(layers)), layers, fontsize=8)
    if role is not None:
        axes.set_xlabel("step")
        axes.set_title(f"role {role}")
    for i, line in enumerate(grid):
        for j, value in enumerate(line):
            if math.isfinite(value):
                axes.text(j, i, f"{value:.3g}", ha="center", va="center", fontsize=7, color="white").set_path_effects(
                    _outline()
                )
    figure.colorbar(image, ax=axes, label="SQNR (dB)" if column == "sqnr" else column.replace("_", " "))
    return figure


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _outline() -> list[Any]:
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=1.5, foreground="black")]
