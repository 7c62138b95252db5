"""The search driver: runs a strategy against an evaluation until its budget of distinct architectures is spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lbt.nas.search import STRATEGIES
from lbt.nas.space import CellSpace

Evaluate = Callable[[np.ndarray], np.ndarray]
"""Rows (B, L) → values (B,), larger is better."""


@dataclass(frozen=True)
class SearchOptions:
    """Knobs of the strategies; each uses the ones that its file names.

    Attributes:
        queries: distinct architectures to evaluate.
        population, tournament: of regularised evolution.
        temperature: at which annealing starts, in the unit of the value.
        predictor, initial, step, epochs, explore: of predictor-guided search: which predictor, random architectures
            before the first fit, evaluations per fit, training epochs of a neural predictor, weight of the deviation.
    """

    queries: int = 200
    population: int = 50
    tournament: int = 10
    temperature: float = 1.0
    predictor: str = "paths_gp"
    initial: int = 20
    step: int = 10
    epochs: int = 100
    explore: float = 0.5


@dataclass(frozen=True)
class Evaluations:
    """Evaluations in order: ``rows`` int64 (Q, L) and ``values`` float64 (Q,)."""

    rows: np.ndarray
    values: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """Best value after each query, float64 (Q,)."""
        return np.maximum.accumulate(self.values)

    @property
    def best_row(self) -> np.ndarray:
        """The row of the best value, the earliest among equals, int64 (L,)."""
        return self.rows[int(np.argmax(self.values))]


def search(strategy: str, space: CellSpace, evaluate: Evaluate, options: SearchOptions, seed: int) -> Evaluations:
    """Run ``strategy`` for ``options.queries`` evaluations, or until the space is exhausted.

    An architecture is evaluated once: a strategy that proposes it again is sent the known value, free of charge.
    """
    generator = np.random.default_rng(seed)
    coroutine = STRATEGIES.load(strategy).propose(space, generator, options)
    known: dict[bytes, float] = {}
    order: list[np.ndarray] = []
    budget, repeats = min(options.queries, space.size), 0
    proposed = next(coroutine)
    while True:
        values = np.empty(len(proposed))
        for index, row in enumerate(proposed):
            identity = row.tobytes()
            repeats += identity in known
            if identity not in known:
                known[identity] = float(evaluate(row[None])[0])
                order.append(row)
            values[index] = known[identity]
            if len(order) == budget or repeats > 50 * budget:
                rows = np.array(order)
                return Evaluations(rows, np.array([known[r.tobytes()] for r in rows]))
        proposed = coroutine.send(values)
