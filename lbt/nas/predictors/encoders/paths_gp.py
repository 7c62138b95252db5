"""A strong baseline without a network: a Gaussian process on features of the live input–output paths.

Features: :mod:`lbt.nas.predictors.features`; process: :mod:`lbt.nas.predictors.groups`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lbt.nas.predictors.cells import beside
from lbt.nas.predictors.features import features
from lbt.nas.predictors.groups import GroupProcess, Groups
from lbt.nas.space import CellSpace

if TYPE_CHECKING:
    from lbt.nas.predictors.fit import Options


def process_of(
    space: CellSpace, rows: np.ndarray, values: np.ndarray, seed: int, columns: np.ndarray | None = None
) -> GroupProcess:
    """The process of rows (N, L) with ``values`` (N,), and optional standardised numbers beside them (N, C)."""
    columns = beside(rows, columns)
    return GroupProcess(Groups(features, space, rows, columns, seed), rows, columns, values)


def fit(
    space: CellSpace, rows: np.ndarray, values: np.ndarray, options: Options, seed: int, columns: np.ndarray
) -> GroupProcess:
    """Fit on rows (N, L) with ``values`` (N,); no option of the neural predictors applies."""
    return process_of(space, rows, values, seed, columns)


def load(space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> GroupProcess:
    """The predictor of a :meth:`GroupProcess.state`."""
    return GroupProcess.load(features, space, tensors, facts)
