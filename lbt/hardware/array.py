"""A systolic array of R × C multiply-accumulators with double-buffered SRAM: cycles, utilisation, traffic.

For a product (m × k)·(k × n), folded F = ⌈S_r/R⌉·⌈S_c/C⌉ times onto the array (SCALE-Sim 3.0.0, arXiv 1811.02883):

    dataflow   S_r   S_c   T     cycles
    os         m     n     k     F·(R + C + T − 2) − 1       each cell keeps one output
    ws         k     n     m     F·(2R + C + T − 2) − 1      each cell keeps one weight
    is         k     m     n     F·(2R + C + T − 2) − 1      each cell keeps one input
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lbt.errors import LbtError, unknown
from lbt.hardware.ops import Gemm

Dataflow = Literal["os", "ws", "is"]
DATAFLOWS: tuple[Dataflow, ...] = ("os", "ws", "is")
"""Output, weight and input stationary."""


@dataclass(frozen=True)
class Array:
    """The array and the memory system around it.

    Attributes:
        rows, cols: R and C.
        sram: bytes on chip; a third each for both operands and the result, half of each third being filled while the
            other half is used.
        bytes_per_cycle: external memory bandwidth over clock.
        accumulator: bits of a partial sum.
    """

    rows: int
    cols: int
    sram: float = float("inf")
    bytes_per_cycle: float = float("inf")
    accumulator: int = 32

    def __post_init__(self) -> None:
        if self.rows < 1 or self.cols < 1:
            raise LbtError(f"array: found {self.rows}×{self.cols}; accepted: at least 1×1")

    @property
    def buffer(self) -> float:
        """Bytes of one half of one operand's memory."""
        return self.sram / 6


def folds(gemm: Gemm, flow: Dataflow, array: Array) -> tuple[int, int, int]:
    """(⌈S_r/R⌉, ⌈S_c/C⌉, T) of one of the gemm's products."""
    match flow:
        case "os":
            spatial_rows, spatial_cols, temporal = gemm.m, gemm.n, gemm.k
        case "ws":
            spatial_rows, spatial_cols, temporal = gemm.k, gemm.n, gemm.m
        case "is":
            spatial_rows, spatial_cols, temporal = gemm.k, gemm.m, gemm.n
        case _:
            raise unknown("dataflow", flow, DATAFLOWS)
    return -(-spatial_rows // array.rows), -(-spatial_cols // array.cols), temporal


def cycles(gemm: Gemm, flow: Dataflow, array: Array) -> int:
    """Cycles of compute, with memory that never stalls; 0 for an empty product (all channels pruned)."""
    if gemm.macs == 0:
        return 0
    row_folds, col_folds, temporal = folds(gemm, flow, array)
    fill = array.rows + array.cols + temporal - 2 + (0 if flow == "os" else array.rows)
    return gemm.count * (row_folds * col_folds * fill - 1)


def traffic(gemm: Gemm, operands: tuple[float, float, float], flow: Dataflow, array: Array) -> float:
    """Bytes to and from external memory.

    An operand that fits in its buffer is read once. Otherwise it is read again for each fold along the axis that it
    does not span. With a stationary operand, partial sums whose tile does not fit leave and return once per further
    fold of k, at the accumulator's width.

    Args:
        gemm: the product.
        operands: bytes of (x, y, result), each stored once; x is m × k (an image, not its columns), y is k × n.
        flow: dataflow.
        array: sizes of the array and its memory.
    """
    if gemm.macs == 0:
        return 0.0
    x, y, result = operands
    row_folds, col_folds, _ = folds(gemm, flow, array)
    share = gemm.count
    match flow:
        case "os":  # rows span m, columns span n
            x_times, y_times, k_folds = col_folds, row_folds, 1
        case "ws":  # rows span k, columns span n: the weights stay
            x_times, y_times, k_folds = col_folds, 1, row_folds
        case "is":  # rows span k, columns span m: the inputs stay
            x_times, y_times, k_folds = 1, col_folds, row_folds
    x_times = 1 if x / share <= array.buffer else x_times
    y_times = 1 if y / share <= array.buffer else y_times
    partial = gemm.count * gemm.m * gemm.n * array.accumulator / 8
    tile = partial / (share * col_folds)  # one column fold is finished before the next begins
    spilled = 0.0 if k_folds == 1 or tile <= array.buffer else 2 * (k_folds - 1) * partial
    return x * x_times + y * y_times + result + spilled


def on_chip(gemm: Gemm, bits: tuple[float, float, float], flow: Dataflow, array: Array) -> float:
    """Bytes between the array's edges and the on-chip memory: operands once per fold that streams them, partial sums
    twice.

    Args:
        gemm: the product.
        bits: storage bits of (x, y, result).
        flow: dataflow.
        array: sizes.
    """
    row_folds, col_folds, _ = folds(gemm, flow, array)
    x, y, result = gemm.m * gemm.k * bits[0], gemm.k * gemm.n * bits[1], gemm.m * gemm.n
    sums = result * (2 * row_folds - 1) * array.accumulator
    match flow:
        case "os":
            moved = x * col_folds + y * row_folds + result * bits[2]
        case "ws":
            moved = x * col_folds + y + sums
        case "is":
            moved = x + y * col_folds + sums
    return gemm.count * moved / 8


@dataclass(frozen=True)
class Run:
    """A product on the array.

    Attributes:
        flow: its dataflow.
        compute: cycles of compute.
        traffic: bytes of external traffic.
        cycles: the longer of compute and transfer (they overlap: memories are double-buffered).
        utilisation: MACs done over MACs possible in ``cycles``, 0 to 1.
        bound: ``compute`` or ``bandwidth``.
    """

    flow: Dataflow
    compute: int
    traffic: float
    cycles: float
    utilisation: float
    bound: Literal["compute", "bandwidth"]


def run(gemms: Sequence[Gemm], macs: int, operands: tuple[float, float, float], flow: Dataflow, array: Array) -> Run:
    """Run the parts of one product after another with one dataflow.

    Args:
        gemms: the parts (the phases of a strided error product).
        macs: useful multiply-accumulates.
        operands: bytes of (x, y, result) of the whole product.
        flow: dataflow.
        array: sizes.
    """
    compute = sum(cycles(g, flow, array) for g in gemms)
    total = sum(g.macs for g in gemms)
    bytes_ = sum(traffic(g, _share(operands, g.macs / total), flow, array) for g in gemms) if total else 0.0
    transfer = bytes_ / array.bytes_per_cycle
    longer = max(compute, transfer)
    utilisation = macs / (longer * array.rows * array.cols) if longer else 0.0
    return Run(flow, compute, bytes_, longer, utilisation, "bandwidth" if transfer > compute else "compute")


def best(gemms: Sequence[Gemm], macs: int, operands: tuple[float, float, float], array: Array) -> Run:
    """The dataflow with the fewest cycles (then the least traffic) for this product."""
    return min((run(gemms, macs, operands, flow, array) for flow in DATAFLOWS), key=lambda r: (r.cycles, r.traffic))


def _share(operands: tuple[float, float, float], part: float) -> tuple[float, float, float]:
    """Phases of a strided product split weights and results between them; their input is read once if it fits."""
    x, y, result = operands
    return (x * part, y * part, result * part)
