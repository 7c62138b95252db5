"""The YAML file that describes a search space."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lbt.config import Section
from lbt.errors import unknown

DIGITS = 2
"""Digits of the largest node's number."""

Node = Annotated[int, Field(ge=0, lt=64)]
"""Number of a node of a cell."""


class SpaceSpec(Section):
    """A cell search space: its nodes, operations and edges."""

    name: str = "cells"
    """Name of the space in messages."""
    operations_on: Literal["edge", "node"]
    """Place of the operations: on the edges (NAS-Bench-201, DARTS) or on the nodes (NAS-Bench-101, chains)."""
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
        if self.operations_on == "node" and not self.choose_edges and self.edges is None:
            last = self.nodes - 1
            chain = f"[[0, 1], [1, 2], …, [{last - 1}, {last}]]"
            raise ValueError(f"edges: needed with choose_edges: false; all cells have them; a chain's are {chain}")
        for edge in self.edges or []:
            if not 0 <= edge[0] < edge[1] < self.nodes:
                raise ValueError(f"edges: {list(edge)} is not an edge from a node to a later one of 0…{self.nodes - 1}")
        if len(set(self.edges or [])) != len(self.edges or []):
            raise ValueError("edges: an edge is given twice")
        if self.edges is not None and not self._joined(self.edges):
            raise ValueError(f"edges: none of their paths leads from the input (0) to the output ({self.nodes - 1})")
        return self

    def _joined(self, edges: list[tuple[int, int]]) -> bool:
        """True if some path of ``edges`` leads from the first node to the last."""
        reached = {0}
        for i, j in sorted(edges):
            reached |= {j} if i in reached else set()
        return self.nodes - 1 in reached
