"""One hardware job: what training one network under one recipe costs on the params' board. Seconds; needs no
synthesis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
from torch import nn

from lbt.artifacts import write_table
from lbt.hardware.array import DATAFLOWS
from lbt.hardware.boards import Board
from lbt.hardware.estimate import cost_of_graph
from lbt.hardware.explore import compare, norm_table
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Precision, of_recipe
from lbt.hardware.trace import PRODUCTS, Graph, trace

Metrics = dict[str, float | int | str]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The network and the recipe.

    Attributes:
        model: the network, float or converted.
        input_shape: of one image, (C, H, W).
        recipe: name or path of a recipe.
    """

    model: nn.Module
    input_shape: tuple[int, ...]
    recipe: str


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Files to write.

    Attributes:
        layers: Parquet, one row per layer and pass (:meth:`lbt.hardware.estimate.Cost.table`).
        comparison: Parquet, fp32, fp16, int8 and the recipe side by side (:func:`lbt.hardware.explore.compare`); None:
            not written.
        norms: Parquet, the network with each batch norm in turn (:func:`norm_costs`); None: not written.
    """

    layers: Path
    comparison: Path | None = None
    norms: Path | None = None


def run(params: HardwareParams, inputs: Inputs, outputs: Outputs) -> Metrics:
    """Count, size, schedule, and write the tables.

    Args:
        params: board and assumptions.
        inputs: network and recipe.
        outputs: files to write.

    Returns:
        :meth:`lbt.hardware.estimate.Cost.metrics`, and how the best dataflow per product compares to one dataflow for
        all: ``x_best_dataflow``; and ``x_energy_fp32``, ``x_throughput_fp32``, ``x_storage_fp32``, ``x_mac_area_fp32``.

    Raises:
        LbtError: as :func:`lbt.hardware.cost`.
    """
    shape, recipe = inputs.input_shape, inputs.recipe
    graph = trace(inputs.model, shape)
    precision = of_recipe(recipe, [node.name for node in graph.nodes if node.kind in PRODUCTS])
    board = Board.load(params.board)
    result = cost_of_graph(graph, precision, board, params.board, params)
    write_table(outputs.layers, result.table())
    table = compare(inputs.model, shape, recipes=[precision], boards=[params.board], options=params)
    if outputs.comparison:
        write_table(outputs.comparison, table)
    if outputs.norms:
        write_table(outputs.norms, norm_costs(graph, precision, board, params))
    last = table.to_pylist()[-1]
    ratios = {f"{name}_fp32": last[name] for name in ("x_energy", "x_throughput", "x_storage", "x_mac_area")}
    gain = dataflow_gain(graph, precision, board, params, result.cycles)
    return {**result.metrics(), **ratios, "x_best_dataflow": gain}


def dataflow_gain(graph: Graph, precision: Precision, board: Board, params: HardwareParams, cycles: float) -> float:
    """Cycles of the fastest single dataflow over ``cycles``, with one for each product.

    Below 1 where the choice for each product saves energy at the price of cycles.
    """
    if params.dataflow != "best" or not cycles:
        return 1.0
    fixed = (params.model_copy(update={"dataflow": flow}) for flow in DATAFLOWS)
    return min(cost_of_graph(graph, precision, board, params.board, one).cycles for one in fixed) / cycles


def norm_costs(graph: Graph, precision: Precision, board: Board, params: HardwareParams) -> pa.Table:
    """The network with each batch norm in the place of its own, everything else as it is.

    Columns: those of :func:`lbt.hardware.explore.norm_table` (operations per element, a lane's LUTs), and for one step
    of this network ``images_per_second``, ``energy_per_image_mj``, ``norm_cycles_share`` and ``norm_energy_share`` (0
    to 1), and ``lut`` of the whole accelerator. A network that was converted keeps the norms that it has; only float
    batch norms are replaced.
    """
    rows = []
    for row in norm_table(board.target, max(3, min(32, precision["A"].width))).to_pylist():
        one = cost_of_graph(graph, replace(precision, norm=row["norm"]), board, params.board, params)
        inside = [r for r in one.rows if r.work.kind.startswith("norm")]
        rows.append(
            row
            | {
                "images_per_second": one.images_per_second,
                "energy_per_image_mj": one.joules_per_image * 1e3,
                "norm_cycles_share": sum(r.cycles for r in inside) / one.cycles if one.cycles else 0.0,
                "norm_energy_share": sum(r.energy for r in inside) / sum(r.energy for r in one.rows),
                "lut": float(one.accelerator.total.lut),
            }
        )
    return pa.Table.from_pylist(rows)
