"""One hardware job: what training one network under one recipe costs on the params' board. Seconds; needs no
synthesis.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from lbt.artifacts import write_table
from lbt.hardware.estimate import Cost, cost
from lbt.hardware.explore import compare
from lbt.hardware.params import HardwareParams

Metrics = dict[str, float | int | str]


@dataclass(frozen=True)
class Inputs:
    """What is costed.

    Attributes:
        model: the network, float or converted.
        input_shape: of one image, (C, H, W).
        recipe: name or path of a recipe.
    """

    model: nn.Module
    input_shape: tuple[int, ...]
    recipe: str


@dataclass(frozen=True)
class Outputs:
    """Where to write.

    Attributes:
        layers: Parquet, one row per layer and pass (:meth:`lbt.hardware.estimate.Cost.table`).
        comparison: Parquet, fp32, fp16, int8 and the recipe side by side (:func:`lbt.hardware.explore.compare`); None:
            not written.
    """

    layers: Path
    comparison: Path | None = None


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
    result = cost(inputs.model, shape, recipe=recipe, board=params.board, batch=params.batch, options=params)
    write_table(outputs.layers, result.table())
    table = compare(inputs.model, shape, recipes=[recipe], boards=[params.board], options=params)
    if outputs.comparison:
        write_table(outputs.comparison, table)
    last = table.to_pylist()[-1]
    ratios = {f"{name}_fp32": last[name] for name in ("x_energy", "x_throughput", "x_storage", "x_mac_area")}
    return {**result.metrics(), **ratios, "x_best_dataflow": dataflow_gain(inputs, params, result)}


def dataflow_gain(inputs: Inputs, params: HardwareParams, best: Cost) -> float:
    """Cycles of the best single dataflow over cycles with the best dataflow for each product (1 or more)."""
    if params.dataflow != "best":
        return 1.0
    totals = []
    for flow in ("os", "ws", "is"):
        fixed = params.model_copy(update={"dataflow": flow})
        one = cost(
            inputs.model,
            inputs.input_shape,
            recipe=inputs.recipe,
            board=params.board,
            batch=params.batch,
            options=fixed,
        )
        totals.append(one.cycles)
    return min(totals) / best.cycles if best.cycles else 1.0
