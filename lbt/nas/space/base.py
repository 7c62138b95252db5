"""A space of cells: small graphs whose edges or nodes carry an operation.

Every architecture is a *row*: a vector of small integers, one per free choice. Sampling, mutation, neighbours and the
canonical key are the same for every kind of space; its own file says how a row is written as a string and which graph
it stands for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from lbt.errors import LbtError
from lbt.nas.space.canonical import canonical, live_edges, remove_identity
from lbt.nas.space.spec import SpaceSpec

ENUMERABLE = 1_000_000
"""Largest number of rows that :meth:`CellSpace.all` is willing to list."""


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


class CellSpace(ABC):
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

    @property
    @abstractmethod
    def choices(self) -> np.ndarray:
        """int64 (L,): how many values each position of a row may take."""

    @abstractmethod
    def format(self, row: Sequence[int] | np.ndarray) -> str:
        """The string of one row."""

    @abstractmethod
    def parse(self, text: str) -> np.ndarray:
        """The row of one string. Raises :class:`LbtError` saying what is wrong with it."""

    @abstractmethod
    def graph(self, rows: np.ndarray) -> Graph:
        """The dense graphs of rows (N, L)."""

    @abstractmethod
    def labelled_edges(self, row: np.ndarray) -> list[tuple[int, int, int]]:
        """One cell as edges (from, to, operation), for the canonical key; nodes carry no label of their own."""

    # -- follows from them

    @property
    def size(self) -> int:
        """Number of rows, counting those that are the same network."""
        return int(np.prod([int(c) for c in self.choices], dtype=object))

    def encode(self, texts: Iterable[str]) -> np.ndarray:
        """Rows (N, L) of strings; an error names the position of the string."""
        rows = []
        for index, text in enumerate(texts):
            try:
                rows.append(self.parse(text))
            except LbtError as error:
                raise LbtError(f"row {index}: {error}") from None
        return np.array(rows, np.int64).reshape(len(rows), len(self.choices))

    def all(self) -> np.ndarray:
        """Every row, in lexicographic order. Raises :class:`LbtError` for a space that is too large to list."""
        if self.size > ENUMERABLE:
            raise LbtError(f"{self.name}: {self.size} architectures are too many to list (at most {ENUMERABLE})")
        return np.array(list(product(*(range(c) for c in self.choices))), np.int64)

    def index(self, rows: np.ndarray) -> np.ndarray:
        """Position of each row in :meth:`all`, int64 (N,)."""
        weights = np.cumprod(np.r_[1, self.choices[:0:-1]])[::-1]
        return np.asarray(rows, np.int64) @ weights

    def sample(self, count: int, generator: np.random.Generator | int) -> np.ndarray:
        """``count`` rows, each position independent and uniform (repeats are possible), int64 (count, L)."""
        generator = np.random.default_rng(generator)
        return generator.integers(0, self.choices, size=(count, len(self.choices)))

    def neighbours(self, row: Sequence[int] | np.ndarray) -> np.ndarray:
        """Every row that differs from ``row`` in exactly one position, int64 (M, L)."""
        found = []
        for position, count in enumerate(self.choices):
            for value in range(count):
                if value != row[position]:
                    other = np.array(row, np.int64)
                    other[position] = value
                    found.append(other)
        return np.array(found, np.int64)

    def mutate(self, row: Sequence[int] | np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """One uniformly drawn neighbour of ``row``, int64 (L,)."""
        weights = self.choices - 1
        position = generator.choice(len(weights), p=weights / weights.sum())
        other = np.array(row, np.int64)
        other[position] = (other[position] + generator.integers(1, self.choices[position])) % self.choices[position]
        return other

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
