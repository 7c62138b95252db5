"""Operation-on-edge cells, in NAS-Bench-201's notation: ``|op~0|+|op~0|op~1|+…``.

The blocks between ``+`` are the nodes 1, 2, …; in each block ``op~i`` is the operation on the edge from node i. Edges
are ordered by (to, from). Dong and Yang, ICLR 2020, arXiv 2001.00326.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from lbt.errors import LbtError, unknown
from lbt.nas.space.base import CellSpace, Graph
from lbt.nas.space.spec import DIGITS


class EdgeSpace(CellSpace):
    """A row holds the operation's index on each of ``edges``."""

    @cached_property
    def choices(self) -> np.ndarray:
        return np.full(len(self.edges), len(self.operations), np.int64)

    def format(self, row: Sequence[int] | np.ndarray) -> str:
        blocks: list[list[str]] = [[] for _ in range(self.nodes)]
        for (i, j), operation in zip(self.edges, row, strict=True):
            blocks[j].append(f"{self.operations[operation]}~{i}")
        return "+".join(f"|{'|'.join(block)}|" for block in blocks[1:])

    def parse(self, text: str) -> np.ndarray:
        blocks = str(text).strip().split("+")
        if len(blocks) != self.nodes - 1:
            raise LbtError(f"{text!r}: expected {self.nodes - 1} blocks joined by '+', found {len(blocks)}")
        found: dict[tuple[int, int], int] = {}
        for node, block in enumerate(blocks, start=1):
            for part in block.strip("|").split("|"):
                operation, _, source = part.rpartition("~")
                if not source.isdecimal() or len(source) > DIGITS:
                    raise LbtError(f"{text!r}: {part!r} in block {node} is not of the form operation~node")
                edge = (int(source), node)
                if edge not in self.edges or edge in found:
                    state = "is given twice" if edge in found else f"is not one of {self.name}"
                    raise LbtError(f"{text!r}: the edge {edge[0]}>{edge[1]} {state}")
                if operation not in self.operations:
                    raise unknown("operation", operation, self.operations, where=repr(text))
                found[edge] = self.operations.index(operation)
        missing = [f"{i}>{j}" for i, j in self.edges if (i, j) not in found]
        if missing:
            raise LbtError(f"{text!r}: no operation for the edge {missing[0]}")
        return np.array([found[edge] for edge in self.edges], np.int64)

    def graph(self, rows: np.ndarray) -> Graph:
        rows = np.asarray(rows, np.int64)
        adjacency = np.zeros((len(rows), self.nodes, self.nodes), bool)
        for slot, (i, j) in enumerate(self.edges):
            adjacency[:, i, j] = rows[:, slot] != (-1 if self.none is None else self.none)
        return Graph(rows, adjacency)

    def labelled_edges(self, row: np.ndarray) -> list[tuple[int, int, int]]:
        return [(i, j, int(o)) for (i, j), o in zip(self.edges, row, strict=True) if o != self.none]
