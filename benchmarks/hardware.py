"""The area model against synthesis, the schedule against SCALE-Sim 3.0.0, and what 8 bits give a training step.

    python benchmarks/hardware.py [--quick] [--json FILE]

``lut-model``: units of widths that no form was fitted to (``HELD_OUT`` in ``lbt/hardware/rtl/grid.py``), predicted from
those that were; exact closed forms are counted apart. Needs no synthesis.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from _units import PUBLISHED, USUAL

from lbt import models
from lbt.hardware import forms, published, published_networks
from lbt.hardware.array import DATAFLOWS, Array, cycles, run
from lbt.hardware.boards import Board
from lbt.hardware.clock import left_out, over_placed, placed, speed
from lbt.hardware.estimate import cost_of_graph
from lbt.hardware.explore import compare
from lbt.hardware.instructions import compile_masks
from lbt.hardware.ops import Gemm
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Precision
from lbt.hardware.rtl.grid import FITTED, HELD_OUT, Unit
from lbt.hardware.stage import norm_costs
from lbt.hardware.trace import PRODUCTS, trace
from lbt.hardware.units import area, closed_form, in_block, library, transfer_errors

FORWARD, GRADIENT = Gemm(1024, 144, 16), Gemm(144, 1024, 16)
SCALESIM = (
    (FORWARD, "os", 11135),
    (FORWARD, "ws", 9629),
    (FORWARD, "is", 35711),
    (GRADIENT, "os", 9485),
    (GRADIENT, "ws", 12159),
    (GRADIENT, "is", 35711),
)
"""16 → 16 channels, 3×3, on 32×32, on a 16×16 array."""

Row = dict[str, Any]


def row(name: str, value: float, unit: str = "1", n: int = 1) -> Row:
    return {"name": name, "value": value, "unit": unit, "n": n}


def predicted(unit: Unit, column: str) -> float:
    """LUTs or flip-flops by the form that was fitted to the other widths."""
    if unit.kind == "mac":
        return area(Unit("multiplier", unit.style, unit.target, unit.a, unit.b)).lut + unit.c + 1
    seen = (Unit(unit.kind, unit.style, "xc7", *widths) for widths in FITTED[unit.kind, unit.style])
    known = {one: library()[one][column] for one in seen if one in library() and one != unit}
    return forms.predict(unit, forms.fit(known))


def errors(column: str) -> Iterator[tuple[str, float]]:
    """Relative error of every held-out unit that has no closed form in that column."""
    closed_there = {"lut": (), "ff": ("multiplier", "mac")}[column]
    for (kind, style), widths in HELD_OUT.items():
        for unit in (Unit(kind, style, "xc7", *one) for one in widths):
            if unit in library() and closed_form(unit) is None and kind not in closed_there:
                true = library()[unit][column]
                yield unit.name, abs(predicted(unit, column) - true) / true


def closed() -> tuple[int, int]:
    """The number of units with a closed form, and of those that equal it."""
    with_form = [unit for unit in library() if closed_form(unit) is not None]
    return len(with_form), sum(closed_form(unit) == library()[unit]["lut"] for unit in with_form)


def blocks() -> Iterator[float]:
    """LUTs, flip-flops and DSP blocks by which the answer for a MAC in a DSP block differs from synthesis."""
    for unit, made in library().items():
        if (unit.kind, unit.style) == ("mac", "dsp") and unit.target != "ecp5" and max(unit.a, unit.b) <= 18:
            told = in_block(unit)
            yield max(abs(getattr(told, column) - made[column]) for column in ("lut", "ff", "dsp"))


def area_model() -> list[Row]:
    found, kept, apart = dict(errors("lut")), dict(errors("ff")), list(blocks())
    count, equal = closed()
    worst = sorted(found, key=lambda name: -found[name])[:5]
    print("worst fitted:", ", ".join(f"{name} {found[name]:.1%}" for name in worst))
    return [
        row("lut-model/median_error", median(found.values()), n=len(found)),
        row("lut-model/worst_error", max(found.values()), n=len(found)),
        row("ff-model/worst_error", max(kept.values()), n=len(kept)),
        row("dsp-model/worst_difference", max(apart), "cells", n=len(apart)),
        row("lut-model/closed_forms_equal_synthesis", equal / count, n=count),
        row("ecp5-model/worst_error", max(transfer_errors().values()), n=len(transfer_errors())),
        row("ecp5-model/median_error", median(transfer_errors().values()), n=len(transfer_errors())),
    ]


def schedule() -> list[Row]:
    array = Array(16, 16)
    off = max(abs(cycles(gemm, flow, array) - known) for gemm, flow, known in SCALESIM)
    fixed = min(cycles(FORWARD, flow, array) + cycles(GRADIENT, flow, array) for flow in DATAFLOWS)
    free = sum(min(cycles(gemm, flow, array) for flow in DATAFLOWS) for gemm in (FORWARD, GRADIENT))
    return [
        row("scalesim/max_cycle_error", off, "cycles", len(SCALESIM)),
        row("dataflow/16x16-3x3-32x32/x_best_single", fixed / free),
    ]


SIX = {
    "1x1/forward": (Gemm(1024, 64, 64), (65536.0, 4096.0, 65536.0)),
    "1x1/gradient": (Gemm(64, 1024, 64), (65536.0, 65536.0, 4096.0)),
    "3x3/forward": (Gemm(1024, 576, 64), (65536.0, 36864.0, 65536.0)),
    "3x3/gradient": (Gemm(576, 1024, 64), (65536.0, 65536.0, 36864.0)),
    "linear/forward": (Gemm(64, 1024, 1024), (65536.0, 1048576.0, 65536.0)),
    "linear/gradient": (Gemm(1024, 64, 1024), (65536.0, 65536.0, 1048576.0)),
}
"""Products in int8: 32×32 positions with 64 channels, and 64 images with 1,024 features."""


def external_memory() -> Iterator[Row]:
    """Bytes to and from external memory over the compulsory ones, weights stationary, 16×16, 8 bytes a cycle.

    ``schedule/dram_over_optimum/max`` is over the products and memories in which any order of loops reaches the
    compulsory bytes; elsewhere the optimum is the search's own result (tests compare it with every choice there is).
    """
    reached = []
    for kilobytes in (24, 96):
        for name, (gemm, operands) in SIX.items():
            array = Array(16, 16, kilobytes * 1024, 8)
            found = {flow: run([gemm], gemm.macs, operands, flow, array).traffic / sum(operands) for flow in DATAFLOWS}
            yield row(f"schedule/{name}/{kilobytes}KB/dram_over_compulsory", found["ws"])
            if min(found.values()) < 1 + 1e-9:
                reached.append(found["ws"])
    yield row("schedule/dram_over_optimum/max", max(reached), n=len(reached))


def clocks() -> Iterator[Row]:
    """Estimated clocks, and estimated over placed ones on ECP5 (``lbt.hardware.fmax.place`` measures these)."""
    for kind, style, *widths in USUAL:
        for target in ("xc7", "xcup", "ecp5"):
            unit = Unit(kind, style, target, *widths)
            found = speed(unit, target)
            if found.mhz is not None:
                yield row(f"clock/{unit.name}/estimate", found.mhz, "MHz")
    for unit, mhz in placed().items():
        yield row(f"clock/{unit.name}/placed", mhz, "MHz")
    for name, ratio in left_out().items():
        yield row(f"clock/{name}/depth_over_path", ratio)
    ratios = over_placed()
    for name, ratio in ratios.items():
        yield row(f"clock/{name}/over_placed", ratio)
    yield row("clock/median_over_placed", median(ratios.values()), n=len(ratios))


def designs() -> Iterator[Row]:
    """The estimate of published accelerators over what they measured."""
    for name in published.Design.names():
        design = published.Design.load(name)
        predicted = published_networks.predict(design)
        yield row(f"published/{name}/predicted", predicted, "Gop/s")
        yield row(f"published/{name}/over", predicted / design.measured)


def float_against_int() -> Iterator[Row]:
    """LUTs of a float32 multiplier and adder over those of an int8 MAC with 32 bits, both in one style."""
    for style in ("plain", "booth"):
        product = area(Unit("float_multiplier", style, "xc7", 8, 23)) + area(Unit("float_adder", "plain", "xc7", 8, 23))
        yield row(f"fp32-mac/{style}/x_int8_mac_{style}", product.lut / area(Unit("mac", style, "xc7", 8, 8, 32)).lut)


def training_step() -> Iterator[Row]:
    """ResNet-20 on 32×32 images in batches of 32: the yardsticks, dataflow per product, and a user's mask."""
    model, shape = models.build("resnet20", classes=10, channels=3), (3, 32, 32)
    for board in ("zcu102", "zedboard", "ulx3s"):
        found = {one["precision"]: one for one in compare(model, shape, boards=[board]).to_pylist()}
        for name in ("fp16", "int8"):
            for what in ("storage", "mac_area", "energy", "throughput"):
                yield row(f"resnet20/{board}/{name}/{what}/x_fp32", found[name][f"x_{what}"])
        yield row(f"resnet20/{board}/int8/images_per_second", found["int8"]["images_per_second"], "1/s")
        for name in ("fp32", "fp16", "int8"):
            yield row(f"resnet20/{board}/{name}/clock", found[name]["clock_mhz"], "MHz")
        for name in ("array_rows", "array_cols", "lanes"):
            yield row(f"resnet20/{board}/int8/{name}", found["int8"][name], "cells")
    graph, precision = trace(model, shape), Precision.uniform("int8")
    board = Board.load("zcu102")
    single = [
        cost_of_graph(graph, precision, board, "zcu102", HardwareParams(dataflow=flow)).seconds for flow in DATAFLOWS
    ]
    free = cost_of_graph(graph, precision, board, "zcu102", HardwareParams())
    for name, options in {
        "array/gain_over_square": HardwareParams(array="square"),
        "lanes/gain_over_8": HardwareParams(lanes=8),
        "cells/gain_over_dsp": HardwareParams(style="dsp"),
    }.items():
        yield row(name, cost_of_graph(graph, precision, board, "zcu102", options).seconds / free.seconds)
    yield row("resnet20/zcu102/int8/best_single_dataflow/x_per_product", min(single) / free.seconds)
    for one in norm_costs(graph, precision, board, HardwareParams()).to_pylist():
        name = f"norm/{one['norm']}"
        yield row(f"{name}/lane", one["lane_lut"], "LUT")
        yield row(f"{name}/images_per_second", one["images_per_second"], "1/s")
        yield row(f"{name}/energy", one["energy_per_image_mj"], "mJ")
        yield row(f"{name}/cycles_share", one["norm_cycles_share"], "share")
    masks = {n.name: [i % 2 == 0 for i in range(n.c_out)] for n in graph.nodes if n.kind in PRODUCTS[:1]}
    array = Array(16, 16)
    whole, half = (compile_masks(graph, kept, array) for kept in ({}, masks))
    yield row(
        "resnet20/16x16/half_channels/whole_instructions/x_masked", len(whole.instructions) / len(half.instructions)
    )
    yield row("resnet20/16x16/half_channels/whole_cycles/x_masked", whole.cycles(array) / half.cycles(array))
    masked = cost_of_graph(graph, precision, board, "zcu102", HardwareParams(), masks=masks)
    yield row("resnet20/zcu102/int8/half_channels/whole_training_cycles/x_masked", free.cycles / masked.cycles)


def unit_table() -> list[Row]:
    print(f"{'unit':<50}{'LUT':>6}{'FF':>6}{'carry':>6}{'DSP':>5}{'depth':>6}  published, ratio")
    for unit, one in library().items():
        known = PUBLISHED.get((unit.kind, unit.a, unit.b)) if unit.target == "xc7" and unit.style != "dsp" else None
        beside = f"  {known}, {one['lut'] / known:.2f}" if known else ""
        print(f"{unit.name:<50}{one['lut']:>6}{one['ff']:>6}{one['carry']:>6}{one['dsp']:>5}{one['depth']:>6}{beside}")
    return [row(f"unit/{unit.name}/lut", one["lut"], "LUT") for unit, one in library().items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="without the networks")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = [*unit_table(), *area_model(), *clocks(), *schedule(), *external_memory(), *float_against_int()]
    rows += [] if arguments.quick else [*training_step(), *designs()]
    for one in rows:
        if not one["name"].startswith("unit/"):
            print(f"{one['name']:<72}{one['value']:.4g} {one['unit']} (n={one['n']})")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
