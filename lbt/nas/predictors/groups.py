"""Groups of features, each scaled by its spread over the search space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from lbt.nas.predictors.calibrate import Calibration
from lbt.nas.predictors.cells import beside
from lbt.nas.predictors.gp import GaussianProcess, normal_scores
from lbt.nas.predictors.state import State, arrays, below, under
from lbt.nas.space import CellSpace

Raw = Callable[[CellSpace, np.ndarray], dict[str, np.ndarray]]
"""Space and rows (N, L) → float64 (N, F_g) per group."""

REFERENCE = 2000
"""Random architectures over which a feature's spread is measured, beside the given ones."""


class Groups:
    """Features of rows and, as the group ``columns``, the numbers beside them; fitted on construction.

    Args:
        raw: makes the features.
        space: the search space, over which features are scaled; ``columns`` are standardised already.
        rows: int64 (N, L), the training architectures.
        columns: float64 (N, C); no group where C is 0.
        seed: of the random architectures.
    """

    def __init__(self, raw: Raw, space: CellSpace, rows: np.ndarray, columns: np.ndarray, seed: int) -> None:
        self.raw, self.space, self.columns = raw, space, columns.shape[1]
        self.reference = np.concatenate([rows, space.sample(REFERENCE, seed)])
        found = {name: group for name, group in raw(space, self.reference).items() if group.shape[1]}
        self.shift = {name: group.mean(0) for name, group in found.items()}
        self.scale = {name: np.where(group.std(0) > 0, group.std(0), 1.0) for name, group in found.items()}

    @property
    def names(self) -> list[str]:
        """Names of the groups."""
        return [*self.shift, *(["columns"] if self.columns else [])]

    def __call__(self, rows: np.ndarray, columns: np.ndarray) -> dict[str, np.ndarray]:
        """Scaled groups of rows (N, L), float64 (N, F_g) each."""
        found = self.raw(self.space, rows)
        scaled = {name: (found[name] - self.shift[name]) / self.scale[name] for name in self.shift}
        return scaled | ({"columns": columns} if self.columns else {})

    def state(self) -> State:
        """Tensors and facts of :meth:`load`."""
        tensors = under("shift", self.shift) | under("scale", self.scale)
        return tensors, {"groups": list(self.shift), "columns": self.columns}

    @classmethod
    def load(cls, raw: Raw, space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Groups:
        """The groups of a :meth:`state`."""
        groups = cls.__new__(cls)
        groups.raw, groups.space, groups.columns = raw, space, facts["columns"]
        shift, scale = arrays("shift", tensors), arrays("scale", tensors)
        groups.shift = {name: shift[name] for name in facts["groups"]}
        groups.scale = {name: scale[name] for name in facts["groups"]}
        return groups


class GroupProcess:
    """A Gaussian process on :class:`Groups`; see :class:`lbt.nas.predictors.fit.Fitted`.

    Its target is the normal score of the value, so that a prediction ranks; its deviation is the process's own.
    """

    calibration: Calibration | None = None

    def __init__(self, features: Groups, rows: np.ndarray, columns: np.ndarray, values: np.ndarray) -> None:
        self.features = features
        self.process = GaussianProcess(self.groups(rows, columns), normal_scores(values))

    def groups(self, rows: np.ndarray, columns: np.ndarray | None = None) -> list[np.ndarray]:
        """The process's inputs for rows (N, L), float64 (N, F_g) each."""
        return list(self.features(rows, beside(rows, columns)).values())

    def predict(self, rows: np.ndarray, columns: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        return self.process.predict(self.groups(rows, columns))

    def state(self) -> State:
        groups, facts = self.features.state()
        return under("groups", groups) | under("process", self.process.state()), facts

    @classmethod
    def load(cls, raw: Raw, space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> GroupProcess:
        """The process of a :meth:`state`."""
        fitted = cls.__new__(cls)
        fitted.features = Groups.load(raw, space, below("groups", tensors), facts)
        fitted.process = GaussianProcess.load(below("process", tensors))
        return fitted
