"""A strong baseline without a network: a Gaussian process on features of the live input–output paths.

Features: :mod:`lbt.nas.predictors.features`; process: :mod:`lbt.nas.predictors.gp`. The target is the normal score of
the value, so a prediction ranks; its deviation is the process's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lbt.nas.predictors.features import features
from lbt.nas.predictors.gp import GaussianProcess, normal_scores
from lbt.nas.predictors.state import State, arrays, below, under
from lbt.nas.space import CellSpace

if TYPE_CHECKING:
    from lbt.nas.predictors.fit import Options


class PathsGP:
    """See :class:`lbt.nas.predictors.fit.Fitted`."""

    def __init__(self, space: CellSpace, rows: np.ndarray, values: np.ndarray, seed: int) -> None:
        self.space = space
        groups = features(space, np.concatenate([rows, space.sample(2000, seed)]))  # scales come from the space itself
        self.shift = {name: group.mean(0) for name, group in groups.items()}
        self.scale = {name: np.where(group.std(0) > 0, group.std(0), 1.0) for name, group in groups.items()}
        self.process = GaussianProcess(self.groups(rows), normal_scores(values))

    def groups(self, rows: np.ndarray) -> list[np.ndarray]:
        """Scaled feature groups of rows, float64 (N, F_g) each."""
        found = features(self.space, rows)
        return [(found[name] - self.shift[name]) / self.scale[name] for name in self.shift]

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.process.predict(self.groups(rows))

    def state(self) -> State:
        parts = {"shift": self.shift, "scale": self.scale, "process": self.process.state()}
        tensors = {key: value for name, part in parts.items() for key, value in under(name, part).items()}
        return tensors, {"groups": list(self.shift)}


def fit(space: CellSpace, rows: np.ndarray, values: np.ndarray, options: Options, seed: int) -> PathsGP:
    """Fit on rows (N, L) with ``values`` (N,); no option of the neural predictors applies."""
    return PathsGP(space, rows, values, seed)


def load(space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> PathsGP:
    """The predictor of a :meth:`PathsGP.state`."""
    fitted = PathsGP.__new__(PathsGP)
    fitted.space, fitted.process = space, GaussianProcess.load(below("process", tensors))
    shift, scale = arrays("shift", tensors), arrays("scale", tensors)
    fitted.shift = {name: shift[name] for name in facts["groups"]}
    fitted.scale = {name: scale[name] for name in facts["groups"]}
    return fitted
