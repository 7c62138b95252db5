"""Hand-made features of a cell's live input–output paths, in groups that a kernel weighs separately.

A path is live when every edge along it can carry information; an operation or edge on no live path counts for
nothing, so that isomorphic cells get equal features except in the group ``slots``. Operations that pass their input on
(``identity``) have no depth; ``weighted`` operations are the ones with weights (convolutions).

======== =====================================================================================================
group    features
======== =====================================================================================================
types    log(1 + number of live paths) for every combination of operation counts along a path
counts   how often each operation occurs on live paths
depth    over the live paths: number of paths; most, fewest and mean operations of each kind; weights of the cell
flow     path sums under four sets of gains (as if each operation scaled what passes), and the depth so weighted
ends     the operations that read the input, and those that write the output
slots    the live operation in each slot, one-hot (not invariant: what the position itself tells)
======== =====================================================================================================
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import comb

import numpy as np

from lbt.nas.space import CellSpace

LARGEST_VOCABULARY = 512
"""The group ``types`` is left out of spaces with more combinations than this."""

LISTED = 20_000
"""Spaces up to this size have all their features in memory (NAS-Bench-201's take 16 MB)."""

_GAINS = ((1.0, 1.0, 1.0), (2.0, 4.0, 1.0), (0.5, 0.5, 1.0), (1.0, 1.0, 0.5))
"""Gains of lightly weighted, heavily weighted and weightless operations; identity is 1."""


def features(space: CellSpace, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The groups above for rows (N, L): float64 (N, F_group) each.

    They are worked out once for a space of at most ``LISTED`` cells: a search fits again and again on the same ones.
    """
    if space.size > LISTED:
        return _features(space, rows)
    index = space.index(rows)
    return {name: group[index] for name, group in _all_features(space).items()}


@lru_cache(maxsize=4)
def _all_features(space: CellSpace) -> dict[str, np.ndarray]:
    return _features(space, space.all())


def _features(space: CellSpace, rows: np.ndarray) -> dict[str, np.ndarray]:
    alive, taken = _paths(space, rows)  # bool (N, P); bool (P, S): the slots that a path goes through
    operations = space.graph(rows).operations
    kinds = [o for o in range(len(space.operations)) if o not in (space.none, space.identity)]
    is_kind = np.stack([operations == o for o in kinds], 2)  # (N, S, O)
    along = np.einsum("ps,nso->npo", taken.astype(np.int64), is_kind.astype(np.int64))  # counts along each path
    live = np.einsum("np,ps->ns", alive.astype(np.int64), taken.astype(np.int64)) > 0
    weights = _weights(space)
    groups = {
        "types": _types(along, alive, int(taken.sum(1).max())),
        "counts": np.stack([(live & (operations == o)).sum(1) for o in range(len(space.operations))], 1).astype(float),
        "depth": _depth(along, alive, weights[kinds], (live * weights[operations]).sum(1), int(taken.sum(1).max())),
        "flow": _flow(along, alive, weights[kinds]),
        "ends": _ends(space, operations, alive, taken),
        "slots": np.concatenate([live & (operations == o) for o in range(len(space.operations))], 1).astype(float),
    }
    return {name: group for name, group in groups.items() if group.shape[1]}


def _weights(space: CellSpace) -> np.ndarray:
    given = space.spec.weights
    passive = (space.none, space.identity)
    return np.array([given.get(n, 0.0) if given else float(i not in passive) for i, n in enumerate(space.operations)])


def _paths(space: CellSpace, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    adjacency = space.graph(rows).adjacency
    on_edge = space.spec.operations_on == "edge"
    taken = np.zeros((len(space.paths), len(space.edges) if on_edge else space.nodes - 2), bool)
    alive = np.ones((len(rows), len(space.paths)), bool)
    for number, path in enumerate(space.paths):
        links = list(pairwise(path))
        for i, j in links:
            alive[:, number] &= adjacency[:, i, j]
        taken[number, [space.edges.index(link) for link in links] if on_edge else [n - 1 for n in path[1:-1]]] = True
    return alive, taken


def _types(along: np.ndarray, alive: np.ndarray, longest: int) -> np.ndarray:
    kinds = along.shape[2]
    if comb(longest + kinds, kinds) > LARGEST_VOCABULARY:
        return np.zeros((len(along), 0))
    codes = along @ (longest + 1) ** np.arange(kinds)
    grid = np.stack(np.meshgrid(*[np.arange(longest + 1)] * kinds, indexing="ij"), -1).reshape(-1, kinds)
    vocabulary = np.sort(grid[grid.sum(1) <= longest] @ (longest + 1) ** np.arange(kinds))
    counted = np.zeros((len(along), len(vocabulary)))
    for path in range(along.shape[1]):
        np.add.at(counted, (np.arange(len(along)), np.searchsorted(vocabulary, codes[:, path])), alive[:, path])
    return np.log1p(counted)


def _depth(along: np.ndarray, alive: np.ndarray, weights: np.ndarray, total: np.ndarray, longest: int) -> np.ndarray:
    number = alive.sum(1)
    weighted, depth = along[..., weights > 0].sum(2), along.sum(2)
    columns = [number, np.log1p(total), np.sqrt(total), _most(depth, alive), _fewest(depth, alive, longest)]
    for counts in (weighted, *np.moveaxis(along, 2, 0)):
        mean = (counts * alive).sum(1) / np.maximum(number, 1)
        columns += [_most(counts, alive), _fewest(counts, alive, longest), mean]
    return np.stack(columns, 1).astype(float)


def _most(counts: np.ndarray, alive: np.ndarray) -> np.ndarray:
    return np.where(alive, counts, 0).max(1)


def _fewest(counts: np.ndarray, alive: np.ndarray, longest: int) -> np.ndarray:
    """One more than any path has where no path is live, whatever else is in the batch."""
    return np.where(alive, counts, longest + 1).min(1)


def _flow(along: np.ndarray, alive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    heavy = weights > np.median(weights[weights > 0]) if (weights > 0).any() else weights > 0
    level = np.where(weights == 0, 2, np.where(heavy, 1, 0))
    columns = []
    for gains in _GAINS:
        passing = alive * np.exp(along @ np.log(np.array(gains)[level]))  # (N, P)
        total = passing.sum(1)
        columns.append(np.log(np.maximum(total, 0.05)))
        for chosen in (weights > 0, level == 1, level == 2):
            columns.append((passing * along[..., chosen].sum(2)).sum(1) / np.maximum(total, 1e-9))
    return np.stack(columns, 1)


def _ends(space: CellSpace, operations: np.ndarray, alive: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Counts of each operation in the first and in the last slots of the live paths, each slot once."""
    columns = []
    for end in (0, -1):
        slots = np.zeros(operations.shape, bool)
        for path in range(len(taken)):
            through = np.flatnonzero(taken[path])
            if len(through):
                slots[:, through[end]] |= alive[:, path]
        columns += [(slots & (operations == o)).sum(1) for o in range(len(space.operations))]
    return np.stack(columns, 1).astype(float)
