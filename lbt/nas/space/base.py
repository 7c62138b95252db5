"""A space of cells: small graphs whose edges or nodes carry an operation.

Every architecture is a row (:mod:`lbt.nas.space.rows`). The canonical key is the same for every kind of space of cells;
the kind's file says how a row is written as a string and which graph it stands for.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lbt.errors import LbtError
from lbt.nas.space.canonical import canonical, live_edges, remove_identity
from lbt.nas.space.rows import RowSpace
from lbt.nas.space.spec import SpaceSpec


@dataclass(frozen=True)
class Graph:
    """Cells as dense arrays, the input of every encoder.

    Attributes:
        operations: int64 (N, S): index of the operation in each slot. A slot is an edge (operation on edge) or an
            inner node (operation on node).
        adjacency: bool (N, V, V): ``[n, i, j]`` is true where cell n has an edge from node i to node j that can
            carry information; a ``none`` edge is absent.
    """

    operations: np.ndarray
    adjacency: np.ndarray


class CellSpace(RowSpace):
    """A space of cells. Rows are int64; shapes: (L,) for one, (N, L) for many."""

    def __init__(self, spec: SpaceSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.nodes = spec.nodes
        self.operations = tuple(spec.operations)
        pairs = spec.edges or [(i, j) for j in range(spec.nodes) for i in range(j)]
        self.edges = tuple(sorted(((i, j) for i, j in pairs), key=lambda e: (e[1], e[0])))
        self.identity = None if spec.identity is None else self.operations.index(spec.identity)
        self.none = None if spec.none is None else self.operations.index(spec.none)

    # -- defined by the two kinds of space

    @abstractmethod
    def graph(self, rows: np.ndarray) -> Graph:
        """The dense graphs of rows (N, L)."""

    @abstractmethod
    def labelled_edges(self, row: np.ndarray) -> list[tuple[int, int, int]]:
        """One cell as edges (from, to, operation), for the canonical key; nodes carry no label of their own."""

    # -- follows from them

    def key(self, row: Sequence[int] | np.ndarray, *, merge_identity: bool = False) -> str:
        """A string that two cells share exactly when one is the other with its inner nodes renumbered.

        Edges that carry nothing, or that lie on no path from the input to the output, are left out first. With
        ``merge_identity`` a node whose only input is an identity edge is merged with the node that the edge comes from
        (the same function, written with one node less).
        """
        edges = live_edges(self.labelled_edges(np.asarray(row, np.int64)), self.nodes)
        if merge_identity and self.identity is not None:
            edges = remove_identity(edges, self.identity, self.nodes)
        return canonical(edges, self.nodes)

    def keys(self, rows: np.ndarray, *, merge_identity: bool = False) -> np.ndarray:
        """:meth:`key` of each row, an array of str (N,)."""
        return np.array([self.key(row, merge_identity=merge_identity) for row in rows])

    @cached_property
    def paths(self) -> list[tuple[int, ...]]:
        """Every path of nodes from the input to the output through the space's edges.

        Raises:
            LbtError: there are more than 4,096 of them.
        """
        follow: dict[int, list[int]] = {}
        for i, j in self.edges:
            follow.setdefault(i, []).append(j)
        done: list[tuple[int, ...]] = []
        open_paths: list[tuple[int, ...]] = [(0,)]
        while open_paths:
            path = open_paths.pop()
            if path[-1] == self.nodes - 1:
                done.append(path)
            open_paths += [(*path, j) for j in follow.get(path[-1], [])]
            if len(done) + len(open_paths) > 4096:
                raise LbtError(f"{self.name}: more than 4096 input-output paths; path features do not suit this space")
        return sorted(done, key=lambda p: (len(p), p))
