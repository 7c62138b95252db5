"""Cross-fitting: a score for each evaluated architecture from predictors that have not seen its value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lbt.nas.predictors import ENCODERS
from lbt.nas.predictors.calibrate import Calibration
from lbt.nas.predictors.state import State, arrays, below, under
from lbt.nas.space import CellSpace

if TYPE_CHECKING:
    from lbt.nas.predictors.fit import Fitted, Neural, Options

FOLDS = 5
STEPS, EPOCHS = 500, 40
"""Networks train for about ``STEPS`` steps, but for ``EPOCHS`` epochs at least and the epochs asked for at most."""


class FoldNetworks:
    """``FOLDS`` networks side by side, each trained without one fold; see :class:`lbt.nas.predictors.fit.Fitted`.

    Scores are brought to mean 0 and deviation 1 over the training architectures, network by network, and averaged. The
    deviation is 0: an architecture that is left out has one score, so that nothing tells how far they would disagree.

    Attributes:
        unseen: float64 (N,), the score of each training architecture by networks that have not seen it.
        judged: bool (N,), False where every network has seen it.
    """

    calibration: Calibration | None = None

    def __init__(self, networks: Neural, rows: np.ndarray, columns: np.ndarray) -> None:
        self.networks = networks
        scores = networks.scores(rows, columns)
        self.centre, self.spread = scores.mean(1, keepdims=True), scores.std(1, keepdims=True) + 1e-12
        total, times = np.zeros(len(rows)), np.zeros(len(rows))
        for member, held in enumerate(networks.held):
            total[held] += ((scores - self.centre) / self.spread)[member, held]
            times[held] += 1
        self.unseen, self.judged = total / np.maximum(times, 1), times > 0

    def scores(self, rows: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """Each network's standardised score, float64 (K, N)."""
        return (self.networks.scores(rows, columns) - self.centre) / self.spread

    def predict(self, rows: np.ndarray, columns: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        return self.scores(rows, columns).mean(0), np.zeros(len(rows))

    def state(self) -> State:
        networks, facts = self.networks.state()
        return under("networks", networks) | under("own", {"centre": self.centre, "spread": self.spread}), facts

    @classmethod
    def load(cls, space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> FoldNetworks:
        """The networks of a :meth:`state`; ``unseen`` and ``judged`` are not kept."""
        from lbt.nas.predictors.fit import Neural

        fitted, plain = cls.__new__(cls), arrays("own", tensors)
        fitted.networks = Neural.load(space, below("networks", tensors), facts)
        fitted.centre, fitted.spread = plain["centre"], plain["spread"]
        return fitted


def fold_options(options: Options, count: int, held: int) -> Options:
    """``options`` for ``FOLDS`` networks on ``count`` architectures, each without ``held`` of them.

    Batches are larger than for one network, because all are trained at once.
    """
    batch = options.batch or min(128, max(count // 2, 2))
    per_epoch = -(-count * (FOLDS - 1) // FOLDS // batch)
    epochs = min(options.epochs, max(STEPS // per_epoch, EPOCHS))
    share = (held + 0.5) / count  # of which training takes the whole part
    return replace(options, members=FOLDS, validation=share, batch=batch, epochs=epochs, stop_by="others")


@dataclass(frozen=True)
class Crossed:
    """A predictor fitted on all evaluated architectures, and what its like says of those that it has not seen.

    Attributes:
        fitted: scores are divided by ``spread`` after ``centre`` is taken off, to be comparable.
        centre, spread: mean and deviation of the scores of the evaluated architectures.
        unseen, deviation: float64 (N,), standardised scores and deviations by predictors without that architecture.
    """

    fitted: Fitted
    centre: float
    spread: float
    unseen: np.ndarray
    deviation: np.ndarray


def folds(count: int, seed: int) -> list[np.ndarray]:
    """``FOLDS`` random parts of the indices below ``count``, of equal size within one."""
    return np.array_split(np.random.default_rng([seed, 5]).permutation(count), FOLDS)


def cross_fit(
    name: str,
    space: CellSpace,
    rows: np.ndarray,
    values: np.ndarray,
    columns: np.ndarray,
    options: Options,
    seed: int,
) -> Crossed:
    """Fit the predictor ``name`` on all rows (N, L), and on all but a fold for each of ``FOLDS`` folds.

    A neural predictor is the average of the networks of the folds; the others are fitted on all in the end.
    """
    from lbt.nas.predictors import fit as fitting

    if not hasattr(ENCODERS.load(name), "fit"):
        chosen = fold_options(options, len(rows), -(-len(rows) // FOLDS))
        networks = fitting.fit(name, space, rows, values, chosen, seed, columns)
        folded = FoldNetworks(networks, rows, columns)  # type: ignore[arg-type]
        return Crossed(folded, 0.0, 1.0, folded.unseen, np.zeros(len(rows)))
    unseen, deviation = np.empty(len(rows)), np.empty(len(rows))
    for held in folds(len(rows), seed):
        kept = np.setdiff1d(np.arange(len(rows)), held)
        part = fitting.fit(name, space, rows[kept], values[kept], options, seed, columns[kept])
        score, spread = part.predict(rows, columns)
        scale = max(float(score.std()), 1e-12)
        unseen[held], deviation[held] = (score[held] - score.mean()) / scale, spread[held] / scale
    fitted = fitting.fit(name, space, rows, values, options, seed, columns)
    score, _ = fitted.predict(rows, columns)
    return Crossed(fitted, float(score.mean()), max(float(score.std()), 1e-12), unseen, deviation)


def load(name: str, space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Fitted:
    """The fitted predictor of :func:`cross_fit` of a :meth:`lbt.nas.predictors.fit.Fitted.state`."""
    from lbt.nas.predictors import fit as fitting

    if not hasattr(ENCODERS.load(name), "fit"):
        return FoldNetworks.load(space, tensors, facts)
    return fitting.load(name, space, tensors, facts)
