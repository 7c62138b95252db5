"""The predictor that the evaluated architectures themselves choose: candidates are cross-fitted, weighed, calibrated.

- *Cross-fitting.* Each candidate (``options.candidates``) gives each evaluated architecture a score that was made
  without its value (:mod:`lbt.nas.predictors.cross`).
- *Weights.* Stacked regression (Breiman, Machine Learning 1996): the non-negative weights of the standardised scores
  that come nearest to the values' normal scores, held small by a ridge, sum 1 (:func:`weigh`). Where one candidate is
  far better it takes nearly all; where several are near each other their average is better than any of them, and safer
  than a choice between numbers that a hundred labels cannot tell apart.
- *Calibration.* Scores become expected normal scores with deviations that are as large as the errors on unseen
  architectures (:mod:`lbt.nas.predictors.calibrate`). The own deviation is the disagreement of the candidates and the
  deviations of those that have one.

Nothing but the evaluated architectures informs any choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import nnls
from torch import Tensor

from lbt.errors import LbtError
from lbt.nas.predictors import cross
from lbt.nas.predictors.calibrate import Calibration
from lbt.nas.predictors.gp import normal_scores
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.state import State, arrays, below, under
from lbt.nas.space import CellSpace
from lbt.progress import track

if TYPE_CHECKING:
    from lbt.nas.predictors.fit import Fitted, Options

FEWEST = 10
"""Evaluated architectures without which cross-validation says nothing."""

RIDGE = 0.1
"""Ridge of the weights' regression, per evaluated architecture."""


class Auto:
    """See :class:`lbt.nas.predictors.fit.Fitted`; scores are expected normal scores of the values.

    Attributes:
        parts: the candidates by name, each fitted, with centre and spread of its scores.
        weights: float64 (C,), sum 1.
        calibration: from blended scores to normal scores.
        choice: ``weight``, ``kendall_tau`` and ``std`` (over the folds) of each candidate; the latter two of ``blend``.
    """

    calibration: Calibration

    def __init__(
        self,
        parts: dict[str, tuple[Fitted, float, float]],
        weights: np.ndarray,
        calibration: Calibration,
        choice: dict[str, dict[str, float]],
    ) -> None:
        self.parts, self.weights, self.calibration, self.choice = parts, weights, calibration, choice

    def predict(self, rows: np.ndarray, columns: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        found = [(fitted.predict(rows, columns), centre, spread) for fitted, centre, spread in self.parts.values()]
        scores = np.stack([(score - centre) / spread for (score, _), centre, spread in found])
        own = np.stack([deviation / spread for (_, deviation), _, spread in found])
        return self.calibration(*blend(scores, own, self.weights))

    def state(self) -> State:
        tensors, facts = under("own", {"weights": self.weights, "errors": self.calibration.errors}), []
        for name, (fitted, centre, spread) in self.parts.items():
            part, kept = fitted.state()
            tensors |= under(f"part.{name}", part)
            facts.append([name, centre, spread, kept])  # a list: JSON's objects are sorted
        line = {name: getattr(self.calibration, name) for name in ("offset", "slope", "scale", "share", "typical")}
        return tensors, {"parts": facts, "calibration": line, "choice": self.choice}


def blend(scores: np.ndarray, own: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted score and own deviation, float64 (N,) each, from standardised scores and deviations (C, N)."""
    mean = weights @ scores
    return mean, np.sqrt(weights @ (own**2 + (scores - mean) ** 2))


def weigh(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Non-negative weights (C,), sum 1, of standardised unseen scores (C, N) for the target (N,)."""
    count, size = scores.shape
    ridge = np.sqrt(RIDGE * size) * np.eye(count)
    weights, _ = nnls(np.concatenate([scores.T, ridge]), np.concatenate([target, np.zeros(count)]))
    return weights / weights.sum() if weights.sum() > 0 else np.full(count, 1 / count)


def fit(
    space: CellSpace, rows: np.ndarray, values: np.ndarray, options: Options, seed: int, columns: np.ndarray
) -> Auto:
    """Fit on rows (N, L) with ``values`` (N,); ``options`` are those of the neural candidates.

    Raises:
        LbtError: fewer than ``FEWEST`` architectures, or a candidate that chooses among candidates itself.
    """
    if len(rows) < FEWEST:
        raise LbtError(
            f"{len(rows)} evaluated architectures are too few to choose a predictor by; "
            f"accepted: {FEWEST} or more, or a predictor by name, such as onehot_gp"
        )
    if "auto" in options.candidates or not options.candidates:
        raise LbtError("candidates: found auto or none; accepted: names of other predictors")
    crossed = {
        name: cross.cross_fit(name, space, rows, values, columns, options, seed)
        for name in track(options.candidates, "cross-validation")
    }
    target = normal_scores(values)
    scores = np.stack([part.unseen for part in crossed.values()])
    weights = weigh(scores, target)
    mean, own = blend(scores, np.stack([part.deviation for part in crossed.values()]), weights)
    parts = {name: (part.fitted, part.centre, part.spread) for name, part in crossed.items()}
    judged = cross.folds(len(rows), seed)
    choice = {
        name: {"weight": float(weight)} | _tau(part.unseen, values, judged)
        for (name, part), weight in zip(crossed.items(), weights, strict=True)
    } | {"blend": _tau(mean, values, judged)}
    return Auto(parts, weights, Calibration.of(mean, own, target), choice)


def load(space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Auto:
    """The predictor of a :meth:`Auto.state`."""
    own = arrays("own", tensors)
    parts = {
        name: (cross.load(name, space, below(f"part.{name}", tensors), kept), centre, spread)
        for name, centre, spread, kept in facts["parts"]
    }
    calibration = Calibration(**facts["calibration"], errors=own["errors"])
    return Auto(parts, own["weights"], calibration, facts["choice"])


def _tau(scores: np.ndarray, values: np.ndarray, parts: list[np.ndarray]) -> dict[str, float]:
    """Kendall's tau over all, and its deviation over the folds."""
    by_fold = [kendall_tau(scores[part], values[part]) for part in parts]
    return {"kendall_tau": kendall_tau(scores, values), "std": float(np.std(by_fold, ddof=1))}
