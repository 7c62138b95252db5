"""The predictor that the evaluated architectures themselves choose: candidates are cross-fitted, weighed, calibrated.

- *Cross-fitting.* Each candidate (``options.candidates``) gives each evaluated architecture a score that was made
  without its value (:mod:`lbt.nas.predictors.cross`).
- *Weights.* A candidate's weight is the share of bootstrap resamples of the evaluated architectures that it orders best
  (:func:`weigh`): the probability, as far as they can tell, that it is the best. One that is far better takes all;
  several that they cannot tell apart are averaged, which is better than any of them and safer than a choice. (Bootstrap
  weights of predictive models: Yao et al., Bayesian Analysis 2018, section 3.4, there of log scores.)
- *Calibration.* Scores become expected normal scores with deviations that are as large as the errors on unseen
  architectures (:mod:`lbt.nas.predictors.calibrate`). The own deviation is the disagreement of the candidates and the
  deviations of those that have one.

Nothing but the evaluated architectures informs any choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lbt.errors import LbtError, warn
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

RESAMPLES, LARGEST = 1000, 2000
"""Bootstrap resamples, and the architectures at most whose pairs are looked at (their number is squared)."""


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


def weigh(scores: np.ndarray, values: np.ndarray, seed: int) -> np.ndarray:
    """Share of bootstrap resamples in which each candidate orders the most pairs rightly, float64 (C,), sum 1.

    Args:
        scores: float64 (C, N), unseen scores; pairs are judged, so that their units do not matter.
        values: float64 (N,).
        seed: of the resamples.
    """
    generator = np.random.default_rng([seed, 6])
    used = generator.permutation(len(values))[:LARGEST]
    counts = generator.multinomial(len(used), np.full(len(used), 1 / len(used)), RESAMPLES).astype(float)
    right = [((counts @ (_signs(score[used]) * _signs(values[used]))) * counts).sum(1) for score in scores]
    best = np.stack(right) >= np.max(right, 0)  # equal ones share
    return (best / best.sum(0)).mean(1)


def _signs(values: np.ndarray) -> np.ndarray:
    return np.sign(values[:, None] - values)


def fit(
    space: CellSpace, rows: np.ndarray, values: np.ndarray, options: Options, seed: int, columns: np.ndarray
) -> Auto:
    """Fit on rows (N, L) with ``values`` (N,); ``options`` are those of the neural candidates.

    Raises:
        LbtError: fewer than ``FEWEST`` architectures, a candidate that chooses among candidates itself, or a space that
            no candidate can take (one that cannot is left out, with a warning).
    """
    if len(rows) < FEWEST:
        raise LbtError(
            f"{len(rows)} evaluated architectures are too few to choose a predictor by; "
            f"accepted: {FEWEST} or more, or a predictor by name, such as onehot_gp"
        )
    if "auto" in options.candidates or not options.candidates:
        raise LbtError("candidates: found auto or none; accepted: names of other predictors")
    crossed = {}
    for name in track(options.candidates, "cross-validation"):
        try:
            crossed[name] = cross.cross_fit(name, space, rows, values, columns, options, seed)
        except LbtError as error:
            if name == options.candidates[-1] and not crossed:
                raise
            warn(f"candidate {name} is left out: {error}")
    scores = np.stack([part.unseen for part in crossed.values()])
    weights = weigh(scores, values, seed)
    mean, own = blend(scores, np.stack([part.deviation for part in crossed.values()]), weights)
    parts = {name: (part.fitted, part.centre, part.spread) for name, part in crossed.items()}
    judged = cross.folds(len(rows), seed)
    choice = {
        name: {"weight": float(weight)} | _tau(part.unseen, values, judged)
        for (name, part), weight in zip(crossed.items(), weights, strict=True)
    } | {"blend": _tau(mean, values, judged)}
    return Auto(parts, weights, Calibration.of(mean, own, normal_scores(values)), choice)


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
