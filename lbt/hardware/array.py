"""A systolic array of R × C multiply-accumulators beside one on-chip memory: cycles, utilisation, traffic.

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
from lbt.hardware import tiling
from lbt.hardware.ops import Gemm

Dataflow = Literal["os", "ws", "is"]
DATAFLOWS: tuple[Dataflow, ...] = ("os", "ws", "is")
"""Output, weight and input stationary."""


@dataclass(frozen=True)
class Array:
    """The array and the memory system around it.

    Attributes:
        rows, cols: R and C.
        sram: bytes on chip, shared by both operands and the result as :mod:`lbt.hardware.tiling` lays them out.
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
    return gemm.count * (row_folds * col_folds * (_fill(flow, array) + temporal) - 1)


def _fill(flow: Dataflow, array: Array) -> int:
    """Cycles of a fold beside those in which it streams."""
    return array.rows + array.cols - 2 + (0 if flow == "os" else array.rows)


_STREAMED: dict[Dataflow, int] = {"os": tiling.K, "ws": tiling.M, "is": tiling.N}
"""The dimension that the array streams under each dataflow."""


PATIENCE = 4
"""A product whose folds are cut may take up to so many times the cycles of one that is not, if that saves bytes. (A
byte of external memory takes the energy of some 500 multiply-accumulates of 8 bits.)
"""


def schedule(gemm: Gemm, operands: tuple[float, float, float], flow: Dataflow, array: Array) -> tiling.Tiling:
    """Loop order and tiles of one of the gemm's products, with the fewest bytes that the on-chip memory allows.

    Args:
        gemm: the product; none of its sizes is 0.
        operands: bytes of (x, y, result) of all its products together, each stored once.
        flow: dataflow.
        array: sizes of the array and its memory.
    """
    return tiling.search(_problem(gemm, operands, flow, array))


def _problem(gemm: Gemm, operands: tuple[float, float, float], flow: Dataflow, array: Array) -> tiling.Problem:
    streamed = _STREAMED[flow]
    lanes = {"os": (array.rows, 1, array.cols), "ws": (1, array.rows, array.cols), "is": (array.cols, array.rows, 1)}
    x, y, result = (size / gemm.count for size in operands)
    sizes = (gemm.m, gemm.k, gemm.n)
    summed = flow != "os" and gemm.k > array.rows
    patience = PATIENCE + (PATIENCE - 1) * sizes[streamed] / max(1, _fill(flow, array))
    return tiling.Problem(
        sizes, lanes[flow], (x, y, result), array.accumulator / 8, streamed, summed, patience, array.sram
    )


def traffic(gemm: Gemm, operands: tuple[float, float, float], flow: Dataflow, array: Array) -> float:
    """Bytes to and from external memory under the best loop order and tiling (:mod:`lbt.hardware.tiling`).

    Partial sums leave and return at the accumulator's width. A convolution's x is an image, not its columns, and a
    tile's halo stays on chip until the next tile has used it (a line buffer, whose size is left out).

    Args:
        gemm: the product.
        operands: bytes of (x, y, result), each stored once; x is m × k (an image, not its columns), y is k × n.
        flow: dataflow.
        array: sizes of the array and its memory.
    """
    return gemm.count * schedule(gemm, operands, flow, array).moved if gemm.macs else 0.0


def ends(gemm: Gemm, operands: tuple[float, float, float], array: Array) -> float:
    """Bytes that no computation hides: the first block of both operands, and the last block of the result."""
    if gemm.macs == 0:
        return 0.0
    edges = [min(size, max(array.rows, array.cols)) / size for size in (gemm.m, gemm.k, gemm.n)]
    m, k, n = edges
    x, y, result = (size / gemm.count for size in operands)
    return x * m * k + y * k * n + result * m * n


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
        compute: cycles of compute, refills of cut tiles included.
        traffic: bytes of external traffic.
        cycles: the longer of transfer, and the first block in, compute, and the last block out.
        utilisation: MACs done over MACs possible in ``cycles``, 0 to 1.
        bound: ``compute`` or ``bandwidth``.
    """

    flow: Dataflow
    compute: int
    traffic: float
    cycles: float
    utilisation: float
    bound: Literal["compute", "bandwidth"]


def run(
    gemms: Sequence[Gemm],
    macs: int,
    operands: tuple[float, float, float],
    flow: Dataflow,
    array: Array,
    pieces: int = 1,
) -> Run:
    """Run the parts of one product after another with one dataflow.

    Args:
        gemms: the parts (the phases of a strided error product).
        macs: useful multiply-accumulates.
        operands: bytes of (x, y, result) of the whole product.
        flow: dataflow.
        array: sizes.
        pieces: times that the array computes the product (wide operands are composed of narrow ones).
    """
    if flow not in DATAFLOWS:
        raise unknown("dataflow", flow, DATAFLOWS)
    total = sum(g.macs for g in gemms)
    parts = [(g, _share(operands, g.macs / total)) for g in gemms if g.macs]
    compute = pieces * sum(_compute(g, schedule(g, part, flow, array).refills, flow, array) for g, part in parts)
    moved = sum(traffic(g, part, flow, array) for g, part in parts)
    transfer = moved / array.bytes_per_cycle
    hidden = compute + (ends(*parts[0], array) if parts else 0.0) / array.bytes_per_cycle
    longer = max(hidden, transfer)
    utilisation = macs / (longer * array.rows * array.cols) if longer else 0.0
    return Run(flow, compute, moved, longer, utilisation, "bandwidth" if transfer > hidden else "compute")


def _compute(gemm: Gemm, refills: int, flow: Dataflow, array: Array) -> int:
    """:func:`cycles`, and the array's fill once more for each further tile that a fold is cut into."""
    row_folds, col_folds, _ = folds(gemm, flow, array)
    return cycles(gemm, flow, array) + gemm.count * row_folds * col_folds * (refills - 1) * _fill(flow, array)


def _share(operands: tuple[float, float, float], part: float) -> tuple[float, float, float]:
    """Phases of a strided product split weights and results between them; their input is read once if it fits."""
    x, y, result = operands
    return (x * part, y * part, result * part)
