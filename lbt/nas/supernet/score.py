"""One-shot predictions of many architectures, at a fraction of the cost of running them one by one.

1. Edges on no path from input to output are pruned, and architectures that become equal are run once.
2. The first cell, which works at the highest resolution, sees the same input in every architecture. Walking the
   architectures in the order of their rows, each partial result (a node given the operations before it, an operation on
   it) is computed once and kept for as long as the walk can need it: node 2 takes at most 125 values for 15,625 cells.
3. The pooling between cells is linear, so that each edge into the first cell's output is pooled once, and the sums over
   the 125 combinations of such edges are at a quarter of the size.

The results are those of ``supernet(images, row)`` up to the rounding of the sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lbt.nas.supernet.network import prune
from lbt.nas.supernet.shared import Supernet, add
from lbt.progress import track


@torch.inference_mode()
def predictions(supernet: Supernet, images: Tensor, rows: np.ndarray) -> np.ndarray:
    """The class that each architecture predicts for each image.

    Args:
        images: float tensor (N, C, H, W), one batch: its statistics are those of every batch norm.
        rows: int array (A, 6) of operation numbers.

    Returns:
        int16 array (A, N).
    """
    unique, place = np.unique([prune(row) for row in rows], axis=0, return_inverse=True)
    found = np.empty((len(unique), len(images)), np.int16)
    outputs = _first_cell(supernet, supernet.stem(images), unique.tolist())
    for number, (row, x) in enumerate(track(outputs, "one-shot scores", total=len(unique))):
        for depth in range(1, len(supernet.cells)):
            x = supernet.cell(depth)(x if depth == 1 else supernet.between(x), row)
        found[number] = supernet.head(x, len(images)).argmax(dim=1).numpy()
    return found[place.reshape(-1)]


def _first_cell(
    supernet: Supernet, x: Tensor, rows: Sequence[Sequence[int]]
) -> Iterator[tuple[list[int], Tensor | None]]:
    """Each of the sorted ``rows`` with its first cell's output, pooled if another cell follows."""
    edge = supernet.cell(0).edge
    pool = supernet.between if len(supernet.cells) > 1 else lambda x: x

    # o01 is the operation on the edge from node 0 to node 1; the cache sizes follow from the order of the rows
    node1 = lru_cache(5)(lambda o01: edge(0, o01, x))
    edge02 = lru_cache(5)(lambda o02: edge(1, o02, x))
    edge12 = lru_cache(5)(lambda o01, o12: edge(2, o12, node1(o01)))
    node2 = lru_cache(1)(lambda o01, o02, o12: add(edge02(o02), edge12(o01, o12)))
    edge03 = lru_cache(5)(lambda o03: pool(edge(3, o03, x)))
    edge13 = lru_cache(5)(lambda o01, o13: pool(edge(4, o13, node1(o01))))
    edge23 = lru_cache(5)(lambda o01, o02, o12, o23: pool(edge(5, o23, node2(o01, o02, o12))))
    for row in rows:
        o01, o02, o12, o03, o13, o23 = row
        yield list(row), add(add(edge03(o03), edge13(o01, o13)), edge23(o01, o02, o12, o23))
