"""Comparisons: what FP32, FP16 and 8 bits would each give, and which recipe or architecture is worth its cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pyarrow as pa
from torch import nn

from lbt.hardware.accelerator import cell, norm_lane
from lbt.hardware.boards import Board
from lbt.hardware.estimate import Cost, cost_of_graph
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Number, Precision, of_recipe
from lbt.hardware.trace import PRODUCTS, Example, trace
from lbt.nn import norms

YARDSTICKS = ("fp32", "fp16", "int8")
"""Uniform precisions that every comparison starts with."""


def compare(
    model: nn.Module,
    example: Example,
    *,
    recipes: Iterable[Any] = (),
    boards: Iterable[str] = ("zcu102",),
    options: HardwareParams | None = None,
) -> pa.Table:
    """One row per board and precision: the yardsticks, then ``recipes``; ratios are to fp32 on the same board.

    ``example`` is that of :func:`lbt.hardware.cost`.

    Columns: ``board, precision, fits, limit, array_rows, array_cols, lanes, style, mac_lut, mac_dsp, clock_mhz,
    images_per_second, energy_per_image_mj, storage_mb, x_storage, x_mac_area, x_energy, x_throughput`` where ``x_…`` is
    how many times better than fp32. ``mac_area`` is compared in LUTs of Booth style for all (a DSP block has no LUT
    equivalent).

    Raises:
        LbtError: as :func:`lbt.hardware.cost`.
    """
    graph = trace(model, example)
    products = [node.name for node in graph.nodes if node.kind in PRODUCTS]
    chosen = options or HardwareParams()
    precisions = [Precision.uniform(yardstick) for yardstick in YARDSTICKS]
    for found in (of_recipe(recipe, products) for recipe in recipes):
        taken = any(found.name == other.name for other in precisions)  # a recipe is not its yardstick: norm, masters
        precisions.append(replace(found, name=f"recipe {found.name}") if taken else found)
    rows = []
    for name in boards:
        board = Board.load(name)
        costs = [cost_of_graph(graph, p, board, name, chosen) for p in precisions]
        areas = [cell(c.precision, board.target, "booth", c.accelerator.accumulator).lut for c in costs]
        rows += [_row(c, costs[0], area, areas[0]) for c, area in zip(costs, areas, strict=True)]
    return pa.Table.from_pylist(rows)


def _row(one: Cost, base: Cost, area: float, base_area: float) -> dict[str, Any]:
    a = one.accelerator
    return {
        "board": one.board_name,
        "precision": one.precision.name,
        "fits": one.fits,
        "limit": one.limit,
        "array_rows": a.rows,
        "array_cols": a.cols,
        "lanes": a.lanes,
        "style": a.style,
        "mac_lut": float(a.mac.lut),
        "mac_dsp": float(a.mac.dsp),
        "clock_mhz": float(a.clock),
        "images_per_second": one.images_per_second,
        "energy_per_image_mj": one.joules_per_image * 1e3,
        "storage_mb": one.storage.total / 1e6,
        "x_storage": base.storage.total / one.storage.total,
        "x_mac_area": base_area / area,
        "x_energy": base.joules_per_image / one.joules_per_image,
        "x_throughput": one.images_per_second / base.images_per_second if base.images_per_second else 0.0,
    }


def norm_table(target: str = "xc7", bits: int = 8) -> pa.Table:
    """Each batch norm's operations per element (forward and backward together) and its lane's LUTs."""
    rows = []
    for name in norms.NORMS.names():
        one = norms.cost(name)
        total = one.forward.element + one.backward.element
        lane = norm_lane(name, Number.integer(bits), target)
        rows.append(
            {
                "norm": name,
                "adds": float(total.adds),
                "multiplies": float(total.multiplies),
                "comparisons": float(total.comparisons),
                "reads": one.forward.reads + one.backward.reads,
                "channel_divides": float(one.forward.channel.divides + one.backward.channel.divides),
                "channel_roots": float(one.forward.channel.square_roots + one.backward.channel.square_roots),
                "lane_lut": float(lane.lut),
                "lane_origin": lane.origin,
            }
        )
    return pa.Table.from_pylist(rows)
