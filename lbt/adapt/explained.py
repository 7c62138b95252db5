"""Error analysis while a network adapts: :func:`lbt.nn.explain` at a few points of a job's training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lbt.adapt.method import Base

if TYPE_CHECKING:
    import pyarrow as pa

POINTS = 4
"""Looks of a job: after its first step, its last one, and evenly between."""
IMAGES = 16
"""The first images of the target's training split: always the same ones, as they are."""

_KINDS = {"step": "int64", "layer": "string", "role": "string", "format": "string", "elements": "int64"}
_KINDS |= {"levels": "int64", "bits_needed": "int64", "bits_needed_gaussian": "int64"}
_MEASURED = (
    *("bits", "scale", "limit_sigma", "sqnr", "cosine_distance", "clipped_share", "rounding_share"),
    *("predicted_gaussian", "predicted_laplace"),
)


def points(total: int) -> set[int]:
    """After which of ``total`` steps a job looks."""
    return {1 + round(index * (total - 1) / (POINTS - 1)) for index in range(POINTS)} if total else set()


def look(method: Base, step: int) -> list[dict[str, Any]]:
    """Rows of :func:`lbt.nn.explain` for the student on the fixed batch, under its own predictions as labels.

    A recipe that quantizes nothing has no rows. The student is not changed.
    """
    from lbt.nn import explain
    from lbt.nn.layers.base import QuantizedLayer

    if not any(isinstance(module, QuantizedLayer) for module in method.student.modules()):
        return []
    with method.on(method.student, method.domains[-1]):
        rows: list[dict[str, Any]] = explain(method.student, method.task.target.images[:IMAGES]).to_pylist()
    return [{**row, "step": step} for row in rows]


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """``rows`` with the columns of :func:`lbt.nn.explain`, also when there is no row or a column holds nothing."""
    import pyarrow as pa

    kinds = {**_KINDS, **dict.fromkeys(_MEASURED, "float64")}
    return pa.Table.from_pylist(rows, pa.schema([(name, getattr(pa, kind)()) for name, kind in kinds.items()]))
