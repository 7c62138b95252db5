"""Architectures as the tensors that encoders read, with equal subgraphs given equal numbers once and for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lbt.nas.space import CellSpace

DEAD, INPUT = 0, 1
"""Numbers of the state of a node that is on no path from input to output, and of the input node's."""

_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Cells:
    """A table of architectures, or a batch of it with leading dimensions … (members, batch).

    Attributes:
        operations: int64 (…, S), the operation in each slot (see :class:`lbt.nas.space.Graph`).
        adjacency: float32 (…, V, V), 1 where an edge from node i to node j carries information.
        labels: int64 (…, V, V), what the information meets on the edge i → j: the edge's operation, or the operation of
            node j (``len(space.operations)`` for the output node); −1 where nothing useful flows: no edge, or not on a
            path from the input to the output.
        states: int64 (…, V): equal numbers mean that the same subgraph leads into the node, up to renumbered nodes, so
            that anything computed along the flow is equal there. Comparable within one table only.
        columns: float32 (…, C), numbers that are known of each architecture beside its graph; C may be 0.
    """

    operations: Tensor
    adjacency: Tensor
    labels: Tensor
    states: Tensor
    columns: Tensor

    def __len__(self) -> int:
        return len(self.operations)

    def __getitem__(self, index: Tensor | slice) -> Cells:
        return Cells(*(part[index] for part in self._parts))

    def expand(self, members: int) -> Cells:
        """The same batch for each of ``members`` networks, (members, N, …); no copy."""
        return Cells(*(part.expand(members, *part.shape) for part in self._parts))

    @property
    def _parts(self) -> tuple[Tensor, ...]:
        return self.operations, self.adjacency, self.labels, self.states, self.columns


def cells(space: CellSpace, rows: np.ndarray, columns: np.ndarray | None = None) -> Cells:
    """Rows int64 (N, L), and optional numbers beside them float64 (N, C), as :class:`Cells`."""
    graph = space.graph(rows)
    into = np.concatenate([graph.operations, np.full((len(rows), 1), len(space.operations))], 1)
    labels = np.full(graph.adjacency.shape, -1, np.int64)
    for slot, (i, j) in enumerate(space.edges):
        labels[:, i, j] = graph.operations[:, slot] if space.spec.operations_on == "edge" else into[:, j - 1]
    live = _live(graph.adjacency)
    labels[~(graph.adjacency & live[:, :, None] & live[:, None, :])] = -1
    return Cells(
        torch.from_numpy(graph.operations),
        torch.from_numpy(graph.adjacency).float(),
        torch.from_numpy(labels),
        torch.from_numpy(_states(labels)),
        torch.from_numpy(beside(rows, columns)).float(),
    )


def beside(rows: np.ndarray, columns: np.ndarray | None) -> np.ndarray:
    """``columns`` float64 (N, C) of rows (N, L); (N, 0) where there are none."""
    return np.zeros((len(rows), 0)) if columns is None else columns


def _live(adjacency: np.ndarray) -> np.ndarray:
    """True for the nodes on a path from the first to the last: bool (N, V)."""
    ahead, back = np.zeros(adjacency.shape[:2], bool), np.zeros(adjacency.shape[:2], bool)
    ahead[:, 0] = back[:, -1] = True
    for node in range(1, adjacency.shape[1]):
        ahead[:, node] = (ahead & adjacency[:, :, node]).any(1)
        back[:, -1 - node] = (back & adjacency[:, -1 - node]).any(1)
    return ahead & back


def _states(labels: np.ndarray) -> np.ndarray:
    """Numbers of the nodes' states, int64 (N, V), from labels (N, V, V).

    A state's code is a sum over what arrives, so that the order of the edges does not matter; each term is a 64-bit mix
    of the operation and of the code where it comes from. Among a million states two different ones share a code with a
    probability below 1e-7.
    """
    codes = np.zeros(labels.shape[:2], np.uint64)
    codes[:, 0] = INPUT
    for node in range(1, labels.shape[1]):
        arriving = _mix(codes[:, :node] * _ODD + labels[:, :node, node].astype(np.uint64))
        codes[:, node] = np.where(labels[:, :node, node] >= 0, arriving, 0).sum(1, dtype=np.uint64)
    _, numbers = np.unique(np.r_[np.uint64(DEAD), np.uint64(INPUT), codes.ravel()], return_inverse=True)
    return numbers[2:].reshape(codes.shape).astype(np.int64)


def _mix(x: np.ndarray) -> np.ndarray:
    """A bijection of 64-bit integers whose output bits each depend on all input bits: xor-shifts and products."""
    x = (x ^ (x >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    x = (x ^ (x >> np.uint64(29))) * np.uint64(0xA24BAED4963EE407)
    return x ^ (x >> np.uint64(32))
