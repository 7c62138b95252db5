"""A Gaussian process that knows no graph: on the one-hot operations and, where cells choose them, the edges.

The two are groups of their own; process: :mod:`lbt.nas.predictors.groups`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lbt.nas.predictors.groups import GroupProcess, Groups
from lbt.nas.space import CellSpace

if TYPE_CHECKING:
    from lbt.nas.predictors.fit import Options


def one_hot(space: CellSpace, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Groups ``operations`` (N, S·O) and ``edges`` (N, E), 0 or 1; the latter empty where all cells share them."""
    slots = space.graph(rows).operations
    kinds = np.eye(len(space.operations))
    bits = np.asarray(rows)[:, slots.shape[1] :]
    return {"operations": kinds[slots].reshape(len(rows), -1), "edges": bits.astype(float)}


def fit(
    space: CellSpace, rows: np.ndarray, values: np.ndarray, options: Options, seed: int, columns: np.ndarray
) -> GroupProcess:
    """Fit on rows (N, L) with ``values`` (N,); no option of the neural predictors applies."""
    return GroupProcess(Groups(one_hot, space, rows, columns, seed), rows, columns, values)


def load(space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> GroupProcess:
    """The predictor of a :meth:`GroupProcess.state`."""
    return GroupProcess.load(one_hot, space, tensors, facts)
