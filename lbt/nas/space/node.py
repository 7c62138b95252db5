"""Operation-on-node cells: ``conv3x3,maxpool3x3;0>1,0>2,1>3,2>3``, or only the operations where the edges are fixed.

Node 0 is the input, the last node the output; the operations belong to the nodes 1, 2, … between them. This covers
NAS-Bench-101 style cells (Ying et al., ICML 2019) and, with fixed edges, chains and macro spaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from lbt.errors import LbtError, unknown
from lbt.nas.space.base import CellSpace, Graph
from lbt.nas.space.spec import DIGITS, SpaceSpec


class NodeSpace(CellSpace):
    """A row holds the inner nodes' operations and, if the edges are chosen, one bit per edge of ``edges``."""

    def __init__(self, spec: SpaceSpec) -> None:
        super().__init__(spec)
        if spec.nodes < 3:
            raise LbtError(f"{self.name}: nodes: an operation-on-node space needs at least one inner node")
        self.inner = spec.nodes - 2
        self.chosen = spec.choose_edges

    @cached_property
    def choices(self) -> np.ndarray:
        bits = len(self.edges) if self.chosen else 0
        return np.array([len(self.operations)] * self.inner + [2] * bits, np.int64)

    def format(self, row: Sequence[int] | np.ndarray) -> str:
        text = ",".join(self.operations[o] for o in row[: self.inner])
        if not self.chosen:
            return text
        return (
            text + ";" + ",".join(f"{i}>{j}" for (i, j), bit in zip(self.edges, row[self.inner :], strict=True) if bit)
        )

    def parse(self, text: str) -> np.ndarray:
        names, semicolon, links = str(text).strip().partition(";")
        operations = [name.strip() for name in names.split(",")]
        if len(operations) != self.inner:
            raise LbtError(f"{text!r}: expected {self.inner} operations, found {len(operations)}")
        for name in operations:
            if name not in self.operations:
                raise unknown("operation", name, self.operations, where=repr(text))
        row = [self.operations.index(name) for name in operations]
        if bool(semicolon) != self.chosen:
            state = "needs its edges after a ';'" if self.chosen else "has fixed edges: write only the operations"
            raise LbtError(f"{text!r}: a cell of {self.name} {state}")
        if not self.chosen:
            return np.array(row, np.int64)
        bits = [0] * len(self.edges)
        for link in links.split(",") if links else []:
            source, _, target = link.strip().partition(">")
            numbers = all(end.isdecimal() and len(end) <= DIGITS for end in (source, target))
            edge = (int(source), int(target)) if numbers else None
            if edge not in self.edges:
                raise LbtError(f"{text!r}: {link.strip()!r} is not an edge of {self.name} (written from>to)")
            bits[self.edges.index(edge)] = 1
        return np.array(row + bits, np.int64)

    def graph(self, rows: np.ndarray) -> Graph:
        rows = np.asarray(rows, np.int64)
        adjacency = np.zeros((len(rows), self.nodes, self.nodes), bool)
        for slot, (i, j) in enumerate(self.edges):
            adjacency[:, i, j] = rows[:, self.inner + slot] if self.chosen else True
        return Graph(rows[:, : self.inner], adjacency)

    def labelled_edges(self, row: np.ndarray) -> list[tuple[int, int, int]]:
        """Each edge carries the operation of the node that it enters; edges into the output carry ``len(operations)``.

        A node's operation is the label of all edges that enter it, so that equal labelled graphs are equal cells.
        """
        labels = [-1, *(int(o) for o in row[: self.inner]), len(self.operations)]
        bits = row[self.inner :] if self.chosen else np.ones(len(self.edges), np.int64)
        return [(i, j, labels[j]) for (i, j), bit in zip(self.edges, bits, strict=True) if bit]
