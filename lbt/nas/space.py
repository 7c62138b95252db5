"""Cell search spaces: small graphs whose edges or nodes carry an operation.

Every architecture is a *row*: a vector of small integers, one per free choice. A row of an operation-on-edge space
holds the operation of each edge; a row of an operation-on-node space holds the operation of each inner node and then,
unless the edges are fixed, one bit per possible edge. Sampling, mutation and neighbours are the same code for both; how
a row is written as a string and which graph it stands for is what :mod:`lbt.nas.space_edge` and
:mod:`lbt.nas.space_node` say.

Nothing here imports torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from lbt.config import Section, load_yaml
from lbt.errors import LbtError, unknown
from lbt.registry import Registry

SPACES = Registry("search space", "lbt.nas.spaces")

ENUMERABLE = 1_000_000
"""Largest number of rows that :meth:`CellSpace.all` is willing to list."""


DIGITS = 2
"""Digits of the largest node's number."""

Node = Annotated[int, Field(ge=0, lt=64)]
"""Number of a node of a cell."""


class SpaceSpec(Section):
    """What a space's YAML file says."""

    name: str = "cells"
    """What the space is called in messages."""
    operations_on: Literal["edge", "node"]
    """Where the operations sit: on the edges (NAS-Bench-201, DARTS) or on the nodes (NAS-Bench-101, chains)."""
    nodes: int = Field(ge=2, le=64)
    """Number of nodes, with the input (node 0) and the output (the last node)."""
    operations: list[str] = Field(min_length=1, max_length=256)
    """Names of the operations; a table's strings use exactly these."""
    edges: list[tuple[Node, Node]] | None = None
    """The edges (from, to), from < to, that a cell may have; by default every such pair."""
    choose_edges: bool = True
    """Operation-on-node spaces only: each cell chooses among ``edges`` (false: all cells have all of them)."""
    none: str | None = None
    """Operation-on-edge spaces only: the operation that carries nothing, as if the edge were not there."""
    identity: str | None = None
    """The operation that hands its input on unchanged."""
    weights: dict[str, Annotated[float, Field(ge=0, le=1e9)]] = Field(default_factory=dict)
    """Relative number of weights of each operation that has some (3×3 convolution 9, 1×1 convolution 1); prior
    knowledge for the path features. Empty: every operation but ``none`` and ``identity`` counts as one."""

    @model_validator(mode="after")
    def _consistent(self) -> SpaceSpec:
        if len(set(self.operations)) != len(self.operations):
            raise ValueError(f"operations: a name is given twice in {self.operations}")
        for key, name in (("none", self.none), ("identity", self.identity)):
            if name is not None and name not in self.operations:
                raise ValueError(f"{key}: {unknown('operation', name, self.operations)}")
        for name in self.weights:
            if name not in self.operations:
                raise ValueError(f"weights: {unknown('operation', name, self.operations)}")
        if self.operations_on == "node" and self.none is not None:
            raise ValueError("none: only an operation on an edge can carry nothing; leave the edge out instead")
        for edge in self.edges or []:
            if not 0 <= edge[0] < edge[1] < self.nodes:
                raise ValueError(f"edges: {list(edge)} is not an edge from a node to a later one of 0…{self.nodes - 1}")
        if len(set(self.edges or [])) != len(self.edges or []):
            raise ValueError("edges: an edge is given twice")
        return self


@dataclass(frozen=True)
class Graph:
    """Cells as dense arrays, the input of every encoder.

    Attributes:
        operations: int64 (N, S): index of the operation in each slot. A slot is an edge (operation on edge) or an
            inner node (operation on node).
        adjacency: bool (N, V, V): ``[n, i, j]`` is whether cell n has an edge from node i to node j that can carry
            information; a ``none`` edge is absent.
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

    # -- what the two kinds of space define

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

    # -- what follows from them

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
            edges = _merge_identity(edges, self.identity, self.nodes)
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


def live_edges(edges: list[tuple[int, int, int]], nodes: int) -> list[tuple[int, int, int]]:
    """The edges that lie on some path from node 0 to the last node. Edges go from lower to higher numbers."""
    edges = sorted(edges, key=lambda e: (e[1], e[0]))
    forward = {0}
    for i, j, _ in edges:
        if i in forward:
            forward.add(j)
    backward = {nodes - 1}
    for i, j, _ in sorted(edges, key=lambda e: -e[0]):
        if j in backward:
            backward.add(i)
    return [e for e in edges if e[0] in forward and e[1] in backward]


def _merge_identity(edges: list[tuple[int, int, int]], identity: int, nodes: int) -> list[tuple[int, int, int]]:
    for node in range(1, nodes - 1):
        into = [e for e in edges if e[1] == node]
        if len(into) == 1 and into[0][2] == identity:
            source = into[0][0]
            edges = [(source if i == node else i, j, o) for i, j, o in edges if j != node]
    into = [e for e in edges if e[1] == nodes - 1]
    if len(into) == 1 and into[0][2] == identity and into[0][0] != 0:
        edges = [(i, nodes - 1 if j == into[0][0] else j, o) for i, j, o in edges if j != nodes - 1]
    return edges


def canonical(edges: list[tuple[int, int, int]], nodes: int) -> str:
    """The smallest string over all renumberings of the inner nodes (the graph is a small one: all are tried).

    Nodes are first told apart by how the graph looks from them, so that only nodes that look alike are permuted.
    """
    inner = sorted({n for e in edges for n in e[:2]} - {0, nodes - 1})
    colour = dict.fromkeys(inner, "") | {0: "i", nodes - 1: "o"}
    for _ in range(len(inner)):
        look = {
            n: repr((sorted((o, colour[i]) for i, j, o in edges if j == n),
                     sorted((o, colour[j]) for i, j, o in edges if i == n), colour[n]))
            for n in inner
        }  # fmt: skip
        rank = {text: str(r) for r, text in enumerate(sorted(set(look.values())))}
        colour |= {n: rank[look[n]] for n in inner}
    groups = [[n for n in inner if colour[n] == c] for c in sorted({colour[n] for n in inner})]
    best: str | None = None
    for orders in product(*(permutations(group) for group in groups)):
        number = {0: 0, nodes - 1: nodes - 1}
        number |= {n: position for position, n in enumerate((n for order in orders for n in order), start=1)}
        text = " ".join(f"{i}>{j}:{o}" for i, j, o in sorted((number[i], number[j], o) for i, j, o in edges))
        best = text if best is None or text < best else best
    return best or ""


def build(spec: SpaceSpec) -> CellSpace:
    """The space that a specification describes."""
    from lbt.nas.space_edge import EdgeSpace
    from lbt.nas.space_node import NodeSpace

    return EdgeSpace(spec) if spec.operations_on == "edge" else NodeSpace(spec)


def load(space: str | Path | CellSpace) -> CellSpace:
    """A space by its name in ``lbt/nas/spaces/`` or from a user's own YAML file (see :class:`SpaceSpec`)."""
    if isinstance(space, CellSpace):
        return space
    if str(space).endswith((".yaml", ".yml")):
        return build(load_yaml(space, SpaceSpec))
    return SPACES.load(str(space)).SPACE
