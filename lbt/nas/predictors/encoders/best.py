"""The strongest predictor here: Gaussian processes on hand-made features and a cross-fitted GATES ensemble, blended.

- *Features.* The groups of :mod:`lbt.nas.predictors.features` and, where the operations are known,
  :mod:`lbt.nas.predictors.zero_cost`.
- *Few cells* (up to ``FEW``): the length scales of one process are too uncertain, so a committee is averaged, one
  process per pair of groups, with and without the zero-cost group and with two scales of the target (normal scores; the
  logarithm of the gap to just above the best value), together with boosted and extremely randomised trees (Friedman,
  Annals of Statistics 2001; Geurts et al., Machine Learning 2006). *More cells*: one process on all groups.
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
from torch import Tensor

from lbt.nas.predictors.features import features
from lbt.nas.predictors.gp import GaussianProcess, normal_scores
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.state import State, arrays, below, under
from lbt.nas.predictors.trees import Trees
from lbt.nas.predictors.zero_cost import zero_cost
from lbt.nas.space import CellSpace

if TYPE_CHECKING:
    from lbt.nas.predictors.fit import Neural, Options

FOLDS, FEW = 5, 200
STEPS, EPOCHS = 500, 40
"""GATES trains for about ``STEPS`` steps, but for ``EPOCHS`` epochs at least and for the epochs asked for at most."""


class Committee:
    """Gaussian processes (and, for few cells, trees) on features; each is scaled by its spread over the space.

    ``leave_one_out``, float64 (N,): the processes' mean prediction of each training cell from the others.
    """

    def __init__(self, space: CellSpace, rows: np.ndarray, values: np.ndarray, seed: int) -> None:
        self.space = space
        reference = np.concatenate([rows, space.sample(2000, seed)])
        raw = self._raw(reference)
        self.scales = {n: (g.mean(0), np.where(g.std(0) > 0, g.std(0), 1.0)) for n, g in raw.items()}
        target, groups, few = normal_scores(values), self.groups(rows), len(rows) <= FEW
        self.processes = [
            (choice, GaussianProcess([groups[n] for n in choice], y, steps=60 if few else 120))
            for choice, y in (_members(list(groups), target, log_gap(values)) if few else [(tuple(groups), target)])
        ]
        self.trees = _trees(groups, target, seed) if few else []
        self.leave_one_out = np.mean([process.leave_one_out() for _, process in self.processes], 0)
        every = self.groups(reference)
        spreads = [process.mean([every[n] for n in choice]).std() for choice, process in self.processes]
        spreads += [tree.predict(_flat(every)).std() for tree, _ in self.trees]
        self.spreads = np.maximum(spreads, 1e-12)
        self.weights = np.array([1.0] * len(self.processes) + [w * len(self.processes) for _, w in self.trees])
        self.weights /= self.weights.sum()

    def _raw(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        found = features(self.space, rows) | {"zero_cost": zero_cost(self.space, rows)}
        return {name: group for name, group in found.items() if group.shape[1]}

    def groups(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Scaled feature groups, float64 (N, F_g) each."""
        return {name: (group - self.scales[name][0]) / self.scales[name][1] for name, group in self._raw(rows).items()}

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation (the processes' own and their disagreement), float64 (N,) each."""
        groups = self.groups(rows)
        found = [process.predict([groups[n] for n in choice]) for choice, process in self.processes]
        means = np.stack([m for m, _ in found] + [tree.predict(_flat(groups)) for tree, _ in self.trees])
        scaled = means / self.spreads[:, None]
        mean = self.weights @ scaled
        own = np.mean([d**2 / s**2 for (_, d), s in zip(found, self.spreads, strict=False)], 0)
        return mean, np.sqrt(own + self.weights @ (scaled - mean) ** 2)

    def state(self) -> State:
        """See :class:`lbt.nas.predictors.fit.Fitted`."""
        tensors = under("own", {"spreads": self.spreads, "weights": self.weights, "leave_one_out": self.leave_one_out})
        for name, (shift, scale) in self.scales.items():
            tensors |= under(f"scale.{name}", {"shift": shift, "scale": scale})
        for number, (_, process) in enumerate(self.processes):
            tensors |= under(f"process.{number}", process.state())
        trees = []
        for number, (tree, weight) in enumerate(self.trees):
            nodes, facts = tree.state()
            tensors |= under(f"tree.{number}", nodes)
            trees.append([facts, weight])
        return tensors, {"groups": list(self.scales), "choices": [list(c) for c, _ in self.processes], "trees": trees}

    @classmethod
    def load(cls, space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Committee:
        """The committee of a :meth:`state`."""
        committee, plain = cls.__new__(cls), arrays("own", tensors)
        committee.space, committee.leave_one_out = space, plain["leave_one_out"]
        committee.spreads, committee.weights = plain["spreads"], plain["weights"]
        scales = {name: arrays(f"scale.{name}", tensors) for name in facts["groups"]}
        committee.scales = {name: (scale["shift"], scale["scale"]) for name, scale in scales.items()}
        committee.processes = [
            (tuple(choice), GaussianProcess.load(below(f"process.{number}", tensors)))
            for number, choice in enumerate(facts["choices"])
        ]
        committee.trees = [
            (Trees.load(below(f"tree.{number}", tensors), tree), weight)
            for number, (tree, weight) in enumerate(facts["trees"])
        ]
        return committee


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

    def state(self) -> State:
        committee, committee_facts = self.committee.state()
        networks, networks_facts = self.networks.state()
        tensors = under("committee", committee) | under("networks", networks)
        tensors |= under("own", {"centre": self.centre, "spread": self.spread})
        return tensors, {"committee": committee_facts, "networks": networks_facts, "weight": float(self.weight)}


def fit(space: CellSpace, rows: np.ndarray, values: np.ndarray, options: Options, seed: int) -> Best | Committee:
    """Fit on rows (N, L) with ``values`` (N,); ``options`` are those of GATES. Under ten cells GATES is left out."""
    from lbt.nas.predictors import fit as fitting

    committee = Committee(space, rows, values, seed)
    if len(rows) < 2 * FOLDS:
        return committee
    batch = options.batch or min(128, max(len(rows) // 2, 2))  # larger than for one network: five are trained
    per_epoch = -(-len(rows) * (FOLDS - 1) // FOLDS // batch)
    epochs = min(options.epochs, max(STEPS // per_epoch, EPOCHS))
    chosen = replace(options, members=FOLDS, validation=1 / FOLDS, batch=batch, epochs=epochs)
    networks = fitting.fit("gates", space, rows, values, chosen, seed)
    return Best(committee, networks, rows, values)  # type: ignore[arg-type]


def load(space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Best | Committee:
    """The predictor of a :meth:`Best.state` or :meth:`Committee.state`."""
    from lbt.nas.predictors.fit import Neural

    if "committee" not in facts:
        return Committee.load(space, tensors, facts)
    best, plain = Best.__new__(Best), arrays("own", tensors)
    best.committee = Committee.load(space, below("committee", tensors), facts["committee"])
    best.networks = Neural.load(space, below("networks", tensors), facts["networks"])
    best.centre, best.spread, best.weight = plain["centre"], plain["spread"], facts["weight"]
    return best


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
    always = tuple(n for n in names if n == "zero_cost")
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
