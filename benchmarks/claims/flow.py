"""Information flow against affinity with all else equal, and encoders that concatenate node embeddings.

One encoder in variants, each cell as a graph with operations on nodes (:mod:`lbt.nas.predictors.encoders._nodes`): the
same direction of messages, number of layers, width, head, loss and 78 labels. ``masks`` is GATES: the input node holds
information, every node masks what arrives with its operation. ``added`` adds the operation to what arrives.
``affinity`` is a graph convolution: the operation is a node's attribute at the start, and edges only say who is near.
The architecture's embedding is the output node's vector, or all nodes' vectors one after another.

``isomorphic`` needs no training: cells in which the two inner nodes of NAS-Bench-201 may change places, beside the cell
in which they do. ``apart`` is the share of these pairs whose embeddings differ by more than 1e-3 of their length.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import _runs
import numpy as np
import torch
from torch import Tensor, nn

from lbt.nas.predictors import ENCODERS
from lbt.nas.predictors.cells import Cells, cells
from lbt.nas.predictors.encoders._nodes import NodeView
from lbt.nas.predictors.layers import Embedding, Linear
from lbt.nas.space import CellSpace
from lbt.train.threads import fixed_threads

from . import _architectures as shared
from . import _rows
from . import _setting as setting

NUMBER, SEEDS, LAYERS = 10, setting.SEEDS, 5
VARIANTS = {
    "masks, output node": ("masks", "output node"),
    "affinity, output node": ("affinity", "output node"),
    "added, output node": ("added", "output node"),
    "affinity, concatenated": ("affinity", "concatenated"),
}
DIFFERENCES = {
    "masks minus affinity, output node": ("masks, output node", "affinity, output node"),
    "masks minus added, output node": ("masks, output node", "added, output node"),
    "affinity, output node minus concatenated": ("affinity, output node", "affinity, concatenated"),
}
SWAPPED, BETWEEN = [1, 0, 2, 3, 5, 4], 2
"""Edges after the inner nodes have changed places (0→1 and 0→2, 1→3 and 2→3), and the edge between the two."""


class Encoder(nn.Module):
    """Cells (1, B) → embeddings (1, B, output_size)."""

    def __init__(self, space: CellSpace, flow: str, read: str, generator: torch.Generator) -> None:
        super().__init__()
        self.flow, self.read, self.view, width = flow, read, NodeView(space), shared.WIDTH
        self.output_size = width * self.view.nodes if read == "concatenated" else width
        self.operation = Embedding(1, self.view.labels, width, generator)
        self.information = nn.Parameter(torch.randn(width, generator=generator))
        self.move = nn.ModuleList(Linear(1, width, width, generator, bias=False) for _ in range(LAYERS))
        self.enter = nn.ModuleList(Linear(1, width, width, generator) for _ in range(LAYERS))

    def forward(self, batch: Cells) -> Tensor:
        labels, edges = self.view(batch.operations, batch.adjacency)
        operation, into = self.operation(labels), edges.transpose(-1, -2)  # (1, B, M, D), (1, B, M, M)
        start = torch.zeros_like(operation)
        start[:, :, 0] = self.information
        x = operation if self.flow == "affinity" else start
        for layer, (move, enter) in enumerate(zip(self.move, self.enter, strict=True)):
            moved = move(x)
            x = moved + self.arrived(into @ moved, operation, enter)
            x = torch.relu(x) if layer < LAYERS - 1 else x
        return x.flatten(2) if self.read == "concatenated" else x[:, :, -1]

    def arrived(self, arriving: Tensor, operation: Tensor, enter: nn.Module) -> Tensor:
        """The sum over the nodes before, as the operation lets it in."""
        if self.flow == "masks":
            return torch.sigmoid(enter(operation)) * arriving
        return arriving + enter(operation) * (self.flow == "added")


def jobs() -> Iterator[tuple[str, int, Any]]:
    """The property first, which takes seconds; then every variant, seed by seed."""
    for seed in SEEDS:
        yield "isomorphic", seed, functools.partial(isomorphic, seed)
    for seed in SEEDS:
        for name in VARIANTS:
            yield name, seed, functools.partial(run, name, seed)


def encoder(name: str, seed: int) -> Encoder:
    """The untrained encoder of a variant."""
    return Encoder(shared.table().space, *VARIANTS[name], shared.generator(seed))


@fixed_threads()
def run(name: str, seed: int) -> dict[str, float]:
    """Kendall's tau on the held-out half."""
    network = shared.Network(shared.table().space, encoder(name, seed), shared.generator(seed + 1))
    return {"kendall_tau": shared.tau(network, seed)}


@fixed_threads()
@torch.no_grad()
def isomorphic(seed: int) -> dict[str, float]:
    """Share of isomorphic pairs that are apart, by variant and for the library's GATES, and the pairs' number."""
    space, pairs = shared.table().space, twins(shared.table().rows)
    made = {"pairs": float(len(pairs[0]))}
    library = ENCODERS.load("gates").Encoder(space, 1, shared.WIDTH, shared.generator(seed))
    for name, one in {"gates": library, **{name: encoder(name, seed) for name in VARIANTS}}.items():
        left, right = (one(cells(space, rows).expand(1))[0] for rows in pairs)
        distance = (left - right).norm(dim=1) / torch.maximum(left.norm(dim=1), right.norm(dim=1)).clamp_min(1e-12)
        made |= {f"{name}/apart": float((distance > 1e-3).double().mean()), f"{name}/distance": float(distance.mean())}
    return made


def twins(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells (P, 6) without an edge between their inner nodes, and the same with these nodes' places changed."""
    absent = shared.table().space.operations.index("none")
    free = rows[rows[:, BETWEEN] == absent]
    other = free[:, SWAPPED]
    once = [left.tolist() < right.tolist() for left, right in zip(free, other, strict=True)]
    return free[once], other[once]


def rows(found: _rows.Found) -> list[_rows.Row]:
    """The property, every variant's tau, and the paired differences that the claims are about."""
    made: list[_rows.Row] = []
    for metric in next(iter(found.get("isomorphic", {0: {}}).values())):
        if metric not in ("job", "seed"):
            one = _rows.values(found, "isomorphic", metric)
            made.append(_runs.row(f"claim/{NUMBER}/isomorphic/{metric}", one, "1"))
    for name in VARIANTS:
        if name in found:
            made.append(_runs.row(f"claim/{NUMBER}/{name}/kendall_tau", _rows.values(found, name, "kendall_tau"), "1"))
    for name, (one, other) in DIFFERENCES.items():
        made += _rows.paired(f"claim/{NUMBER}/{name}", found, one, other, "kendall_tau", "1")
    return made
