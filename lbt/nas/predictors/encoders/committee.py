"""A committee of Gaussian processes and trees on hand-made features of the live paths, without a network.

The features are the groups of :mod:`lbt.nas.predictors.features`, where the operations are known those of
:mod:`lbt.nas.predictors.zero_cost`, and the numbers beside the architectures if there are any. With few cells (up to
``FEW``) the length scales of one process are too uncertain, so a committee is averaged: one process per pair of groups,
with and without the groups that always tell something (zero-cost features, numbers), with two scales of the target
(normal scores; the logarithm of the gap to just above the best value), together with boosted and extremely randomised
trees (Friedman, Annals of Statistics 2001; Geurts et al., Machine Learning 2006). With more cells it is one process on
all groups.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lbt.nas.predictors.calibrate import Calibration
from lbt.nas.predictors.cells import beside
from lbt.nas.predictors.features import features
from lbt.nas.predictors.gp import GaussianProcess, normal_scores
from lbt.nas.predictors.groups import Groups
from lbt.nas.predictors.state import State, arrays, below, under
from lbt.nas.predictors.trees import Trees
from lbt.nas.predictors.zero_cost import zero_cost
from lbt.nas.space import CellSpace

if TYPE_CHECKING:
    from lbt.nas.predictors.fit import Options

FEW = 200
ALWAYS = ("zero_cost", "columns")
"""Groups that are in each process of the committee, and left out of one more per pair."""


class Committee:
    """See :class:`lbt.nas.predictors.fit.Fitted`.

    ``leave_one_out``, float64 (N,): the processes' mean prediction of each training cell from the others.
    """

    calibration: Calibration | None = None

    def __init__(
        self, space: CellSpace, rows: np.ndarray, values: np.ndarray, seed: int, columns: np.ndarray | None = None
    ) -> None:
        columns = beside(rows, columns)
        self.groups = Groups(_raw, space, rows, columns, seed)
        target, groups, few = normal_scores(values), self.groups(rows, columns), len(rows) <= FEW
        self.processes = [
            (choice, GaussianProcess([groups[n] for n in choice], y, steps=60 if few else 120))
            for choice, y in (_members(list(groups), target, log_gap(values)) if few else [(tuple(groups), target)])
        ]
        self.trees = _trees(groups, target, seed) if few else []
        self.leave_one_out = np.mean([process.leave_one_out() for _, process in self.processes], 0)
        repeated = np.resize(columns, (len(self.groups.reference), columns.shape[1]))
        every = self.groups(self.groups.reference, repeated)
        spreads = [process.mean([every[n] for n in choice]).std() for choice, process in self.processes]
        spreads += [tree.predict(_flat(every)).std() for tree, _ in self.trees]
        self.spreads = np.maximum(spreads, 1e-12)
        self.weights = np.array([1.0] * len(self.processes) + [w * len(self.processes) for _, w in self.trees])
        self.weights /= self.weights.sum()

    def predict(self, rows: np.ndarray, columns: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation (the processes' own and their disagreement), float64 (N,) each."""
        groups = self.groups(rows, beside(rows, columns))
        found = [process.predict([groups[n] for n in choice]) for choice, process in self.processes]
        means = np.stack([m for m, _ in found] + [tree.predict(_flat(groups)) for tree, _ in self.trees])
        scaled = means / self.spreads[:, None]
        mean = self.weights @ scaled
        own = np.mean([d**2 / s**2 for (_, d), s in zip(found, self.spreads, strict=False)], 0)
        return mean, np.sqrt(own + self.weights @ (scaled - mean) ** 2)

    def state(self) -> State:
        """See :class:`lbt.nas.predictors.fit.Fitted`."""
        tensors = under("own", {"spreads": self.spreads, "weights": self.weights, "leave_one_out": self.leave_one_out})
        groups, groups_facts = self.groups.state()
        tensors |= under("groups", groups)
        for number, (_, process) in enumerate(self.processes):
            tensors |= under(f"process.{number}", process.state())
        trees = []
        for number, (tree, weight) in enumerate(self.trees):
            nodes, facts = tree.state()
            tensors |= under(f"tree.{number}", nodes)
            trees.append([facts, weight])
        return tensors, {"groups": groups_facts, "choices": [list(c) for c, _ in self.processes], "trees": trees}

    @classmethod
    def load(cls, space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Committee:
        """The committee of a :meth:`state`."""
        committee, plain = cls.__new__(cls), arrays("own", tensors)
        committee.leave_one_out = plain["leave_one_out"]
        committee.spreads, committee.weights = plain["spreads"], plain["weights"]
        committee.groups = Groups.load(_raw, space, below("groups", tensors), facts["groups"])
        committee.processes = [
            (tuple(choice), GaussianProcess.load(below(f"process.{number}", tensors)))
            for number, choice in enumerate(facts["choices"])
        ]
        committee.trees = [
            (Trees.load(below(f"tree.{number}", tensors), tree), weight)
            for number, (tree, weight) in enumerate(facts["trees"])
        ]
        return committee


def fit(
    space: CellSpace, rows: np.ndarray, values: np.ndarray, options: Options, seed: int, columns: np.ndarray
) -> Committee:
    """Fit on rows (N, L) with ``values`` (N,); no option of the neural predictors applies."""
    return Committee(space, rows, values, seed, columns)


def load(space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Committee:
    """The committee of a :meth:`Committee.state`."""
    return Committee.load(space, tensors, facts)


def _raw(space: CellSpace, rows: np.ndarray) -> dict[str, np.ndarray]:
    return features(space, rows) | {"zero_cost": zero_cost(space, rows)}


def log_gap(values: np.ndarray) -> np.ndarray:
    """−log of the gap to a bound above the best value, standardised, tails clipped: float64 (N,).

    The bound is as far above the best value as the median is below it, so that nothing about the unit is assumed.
    """
    bound = 2 * values.max() - np.median(values) + 1e-9 * max(np.ptp(values), 1e-9)
    gap = -np.log(np.maximum(bound - values, 1e-12))
    clipped = np.clip((gap - gap.mean()) / max(gap.std(), 1e-12), -2.5, 2.5)
    return (clipped - clipped.mean()) / max(clipped.std(), 1e-12)


def _members(names: list[str], *targets: np.ndarray) -> list[tuple[tuple[str, ...], np.ndarray]]:
    """The committee for few cells: (feature groups, target) of each process."""
    always = tuple(n for n in names if n in ALWAYS)
    others = [n for n in names if n not in always]
    pairs = list(combinations(others, min(2, len(others))))
    chosen = [(always + pair, target) for target in targets for pair in pairs]
    return chosen + [(pair, targets[0]) for pair in pairs if always]


def _trees(groups: dict[str, np.ndarray], target: np.ndarray, seed: int) -> list[tuple[Trees, float]]:
    """Fitted tree ensembles, each with its weight relative to all processes together."""
    from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor

    forest = ExtraTreesRegressor(300, max_features=0.5, random_state=seed)
    found: list[tuple[Any, float]] = [(forest, 0.25)]
    for number in range(6):
        boosted = GradientBoostingRegressor(
            n_estimators=150,
            learning_rate=0.06,
            max_depth=3,
            subsample=0.6,
            max_features=0.2,
            random_state=(seed + number) % 2**32,
        )
        found.append((boosted, 0.25 / 6))
    return [(Trees.of(model.fit(_flat(groups), target)), weight) for model, weight in found]


def _flat(groups: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate(list(groups.values()), 1)
