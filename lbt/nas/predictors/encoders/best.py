"""The strongest predictor of NAS-Bench-201 here: the feature committee and a cross-fitted GATES ensemble, blended.

- *Features.* :mod:`lbt.nas.predictors.encoders.committee`.
- *GATES.* Five networks are trained side by side, each without one fifth of the training cells, so that every training
  cell has a prediction from a network that has not seen it; a Gaussian process has its leave-one-out predictions in
  closed form. The weight of the blend is the one that orders the training cells best by these out-of-sample
  predictions.

Nothing but the training cells informs any choice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lbt.nas.predictors.calibrate import Calibration
from lbt.nas.predictors.cross import FOLDS, FoldNetworks, fold_options
from lbt.nas.predictors.encoders.committee import Committee
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.state import State, below, under
from lbt.nas.space import CellSpace

if TYPE_CHECKING:
    from lbt.nas.predictors.fit import Neural, Options


class Best:
    """See :class:`lbt.nas.predictors.fit.Fitted`. ``weight`` is the share of GATES in the blend, 0…1."""

    calibration: Calibration | None = None

    def __init__(
        self, committee: Committee, networks: Neural, rows: np.ndarray, values: np.ndarray, columns: np.ndarray
    ) -> None:
        self.committee, self.networks = committee, FoldNetworks(networks, rows, columns)
        unseen, judged = self.networks.unseen, self.networks.judged
        self.weight = max(
            np.linspace(0, 0.9, 10),
            key=lambda w: kendall_tau(((1 - w) * committee.leave_one_out + w * unseen)[judged], values[judged]),
        )

    def predict(self, rows: np.ndarray, columns: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        mean, deviation = self.committee.predict(rows, columns)
        scores = self.networks.scores(rows, columns)
        blend = (1 - self.weight) * mean + self.weight * scores.mean(0)
        return blend, np.hypot((1 - self.weight) * deviation, self.weight * scores.std(0))

    def state(self) -> State:
        committee, committee_facts = self.committee.state()
        networks, networks_facts = self.networks.state()
        tensors = under("committee", committee) | under("networks", networks)
        return tensors, {"committee": committee_facts, "networks": networks_facts, "weight": float(self.weight)}


def fit(
    space: CellSpace, rows: np.ndarray, values: np.ndarray, options: Options, seed: int, columns: np.ndarray
) -> Best | Committee:
    """Fit on rows (N, L) with ``values`` (N,); ``options`` are those of GATES. Under ten cells GATES is left out."""
    from lbt.nas.predictors import fit as fitting

    committee = Committee(space, rows, values, seed, columns)
    if len(rows) < 2 * FOLDS:
        return committee
    chosen = replace(fold_options(options, len(rows), len(rows) // FOLDS), stop_by="all")
    networks = fitting.fit("gates", space, rows, values, chosen, seed, columns)
    return Best(committee, networks, rows, values, columns)  # type: ignore[arg-type]


def load(space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Best | Committee:
    """The predictor of a :meth:`Best.state` or :meth:`Committee.state`."""
    if "committee" not in facts:
        return Committee.load(space, tensors, facts)
    best = Best.__new__(Best)
    best.committee = Committee.load(space, below("committee", tensors), facts["committee"])
    best.networks = FoldNetworks.load(space, below("networks", tensors), facts["networks"])
    best.weight = facts["weight"]
    return best
