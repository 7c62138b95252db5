"""Masks to instructions: the list of tiles that the accelerator runs for a user's personal channel mask.

A product (m × k)·(k × n) is cut into tiles of the array's size. Kept channels are packed, so that pruning shortens k
(dead input channels) and n (dead output channels): the instruction carries the first packed channel of its tile and how
many there are, and a gather list per layer says which channels these are. A tile whose channels are all dead does not
appear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lbt.hardware.array import Array
from lbt.hardware.masks import channels
from lbt.hardware.ops import Gemm
from lbt.hardware.trace import PRODUCTS, Graph, Node


@dataclass(frozen=True)
class Instruction:
    """One output-stationary tile of a forward product.

    Attributes:
        layer: its layer.
        row, rows: first output position and how many.
        col, cols: first packed output channel and how many.
        inner: length of the accumulation, kernel positions times kept input channels.
    """

    layer: str
    row: int
    rows: int
    col: int
    cols: int
    inner: int


@dataclass(frozen=True)
class Program:
    """Instructions, and for each layer the kept input and output channels in the order in which they are packed."""

    instructions: tuple[Instruction, ...]
    gather: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]

    def cycles(self, array: Array) -> int:
        """Cycles of the whole program, output stationary."""
        return sum(i.inner + array.rows + array.cols - 2 for i in self.instructions)

    def table(self) -> pa.Table:
        """One row per instruction."""
        return pa.Table.from_pylist([vars(i) for i in self.instructions])


def compile_masks(graph: Graph, masks: Mapping[str, object], array: Array, batch: int = 1) -> Program:
    """Instructions of the forward pass under ``masks``.

    Args:
        graph: from :func:`lbt.hardware.trace.trace`.
        masks: kept output channels by layer; empty for the whole network.
        array: its sizes are those of a tile.
        batch: images.

    Raises:
        LbtError: as :func:`lbt.hardware.masks.channels`.
    """
    kept = channels(graph, masks)
    instructions: list[Instruction] = []
    gather: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    for node in graph.nodes:
        if node.kind not in PRODUCTS:
            continue
        live_in, live_out = kept.mask_in(node), kept.mask_out(node)
        gather[node.name] = (_indices(live_in), _indices(live_out))
        instructions += _tiles(node, live_in, live_out, array, batch)
    return Program(tuple(instructions), gather)


def _tiles(node: Node, live_in: np.ndarray, live_out: np.ndarray, array: Array, batch: int) -> list[Instruction]:
    """Groups run one after another, each over its own channels."""
    found = []
    start = 0
    ins, outs = np.split(live_in, node.groups), np.split(live_out, node.groups)
    for group_in, group_out in zip(ins, outs, strict=True):
        gemm = Gemm(batch * node.pixels_out, node.taps * int(group_in.sum()), int(group_out.sum()))
        if gemm.macs:
            for col in range(0, gemm.n, array.cols):
                for row in range(0, gemm.m, array.rows):
                    rows, cols = min(array.rows, gemm.m - row), min(array.cols, gemm.n - col)
                    found.append(Instruction(node.name, row, rows, start + col, cols, gemm.k))
        start += int(group_out.sum())
    return found


def _indices(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(mask))
