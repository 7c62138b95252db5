"""The strongest predictor here: Gaussian processes on hand-made features and a cross-fitted GATES ensemble, blended.

- *Features.* The groups of :mod:`lbt.nas.predictors.features` and, where the operations are known,
  :mod:`lbt.nas.predictors.zero_cost`.
- *Few cells* (up to ``FEW``): the length scales of one process are too uncertain, so a committee is averaged, one
  process per choice of three groups (the zero-cost group is always in), with a forest of extremely randomised trees
  (Geurts et al., Machine Learning 2006) at a weight of 0.3. *More cells*: one process on all groups.
- *GATES.* Five networks are trained side by side, each without one fifth of the training cells, so that every training
  cell has a prediction from a network that has not seen it; a Gaussian process has its leave-one-out predictions in
  closed form. The weight of the blend is the one that orders the training cells best by these out-of-sample
  predictions.

Nothing but the training cells informs any choice.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from lbt.nas.predictors.features import features
from lbt.nas.predictors.gp import GaussianProcess, normal_scores
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.zero_cost import zero_cost
from lbt.nas.space import CellSpace

if TYPE_CHECKING:
    from lbt.nas.predictors.fit import Neural, Options

FOLDS, FEW, FOREST_WEIGHT = 5, 200, 0.3
STEPS = 3000
"""GATES trains for at most about this many steps: with thousands of cells that is fewer epochs than were asked for."""


class Committee:
    """Gaussian processes (and, for few cells, a forest) on features; scores have the scale of normal scores."""

    def __init__(self, space: CellSpace, rows: np.ndarray, values: np.ndarray, seed: int) -> None:
        self.space = space
        reference = self._raw(np.concatenate([rows, space.sample(2000, seed)]))  # scales come from the space itself
        self.scales = {n: (g.mean(0), np.where(g.std(0) > 0, g.std(0), 1.0)) for n, g in reference.items()}
        target, groups = normal_scores(values), self.groups(rows)
        always = tuple(n for n in groups if n == "zero_cost")
        others = [n for n in groups if n not in always]
        few = len(rows) <= FEW
        self.choices = [always + c for c in combinations(others, min(3, len(others)))] if few else [tuple(groups)]
        self.processes = [GaussianProcess([groups[n] for n in choice], target) for choice in self.choices]
        self.leave_one_out = np.mean([process.leave_one_out() for process in self.processes], 0)
        self.forest = _forest(groups, target, seed) if few else None

    def _raw(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        found = features(self.space, rows) | {"zero_cost": zero_cost(self.space, rows)}
        return {name: group for name, group in found.items() if group.shape[1]}

    def groups(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Scaled feature groups, float64 (N, F_g) each."""
        return {name: (group - self.scales[name][0]) / self.scales[name][1] for name, group in self._raw(rows).items()}

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation (of the mixture of the processes), float64 (N,) each."""
        groups = self.groups(rows)
        found = [
            process.predict([groups[n] for n in choice])
            for choice, process in zip(self.choices, self.processes, strict=True)
        ]
        means, deviations = np.stack([m for m, _ in found]), np.stack([d for _, d in found])
        mean, deviation = means.mean(0), np.sqrt((deviations**2).mean(0) + means.var(0))
        if self.forest is not None:
            trees = self.forest.predict(np.concatenate(list(groups.values()), 1))
            mean = (1 - FOREST_WEIGHT) * mean + FOREST_WEIGHT * trees * mean.std() / max(trees.std(), 1e-12)
        return mean, deviation


class Best:
    """See :class:`lbt.nas.predictors.fit.Fitted`. ``weight`` is the share of GATES in the blend, 0…1."""

    def __init__(self, committee: Committee, networks: Neural, rows: np.ndarray, values: np.ndarray) -> None:
        self.committee, self.networks = committee, networks
        scores = networks.scores(rows)
        self.centre, self.spread = scores.mean(1, keepdims=True), scores.std(1, keepdims=True) + 1e-12
        unseen, held = np.zeros(len(rows)), networks.held
        for member, cells in enumerate(held):
            unseen[cells] = ((scores - self.centre) / self.spread)[member, cells]
        judged = np.unique(held)
        self.weight = max(
            np.linspace(0, 0.9, 10),
            key=lambda w: kendall_tau(((1 - w) * committee.leave_one_out + w * unseen)[judged], values[judged]),
        )

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, deviation = self.committee.predict(rows)
        scores = (self.networks.scores(rows) - self.centre) / self.spread
        blend = (1 - self.weight) * mean + self.weight * scores.mean(0)
        return blend, np.hypot((1 - self.weight) * deviation, self.weight * scores.std(0))


def fit(space: CellSpace, rows: np.ndarray, values: np.ndarray, options: Options, seed: int) -> Best | Committee:
    """Fit on rows (N, L) with ``values`` (N,); ``options`` are those of GATES. Under ten cells GATES is left out."""
    from lbt.nas.predictors import fit as fitting

    committee = Committee(space, rows, values, seed)
    if len(rows) < 2 * FOLDS:
        return committee
    batch = min(options.batch, max(len(rows) // 2, 2))
    per_epoch = -(-len(rows) * (FOLDS - 1) // FOLDS // batch)
    epochs = max(min(options.epochs, STEPS // per_epoch), 1)
    chosen = replace(options, members=FOLDS, validation=1 / FOLDS, batch=batch, epochs=epochs)
    networks = fitting.fit("gates", space, rows, values, chosen, seed)
    return Best(committee, networks, rows, values)  # type: ignore[arg-type]


def _forest(groups: dict[str, np.ndarray], target: np.ndarray, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(300, max_features=0.3, min_samples_leaf=2, random_state=seed)
    return forest.fit(np.concatenate(list(groups.values()), 1), target)
