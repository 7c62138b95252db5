"""Effects that add up, and a Gaussian process for what they leave; no graph.

An operation has an effect that is the same in every slot, and a deviation from it in each slot; edges that cells choose
and numbers beside the architectures have effects too. Effects have normal priors whose variances maximise the marginal
likelihood: a hierarchical ridge regression (Gelman and Hill, Data Analysis Using Regression and
Multilevel/Hierarchical Models, 2007, chapter 12). With few labels the shared effects are what can be known of a chain
with many slots. Interactions and saturation are left to a Matérn process on the same features.

Three processes differ in which deviations share a variance (:func:`linear`): all, those of an operation (a skipped
layer may matter more than any other choice), or those of a slot (layers of unequal importance). They are averaged by
how likely each makes every label from the others (pseudo-Bayesian weights: Yao et al., Bayesian Analysis 2018, section
3.3). The target is the value itself, since ranks lose by how much values differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lbt.nas.predictors.calibrate import Calibration
from lbt.nas.predictors.cells import beside
from lbt.nas.predictors.encoders.onehot_gp import one_hot
from lbt.nas.predictors.gp import GaussianProcess, robust_scores
from lbt.nas.predictors.groups import Groups
from lbt.nas.predictors.state import State, below, under
from lbt.nas.space import CellSpace

if TYPE_CHECKING:
    from lbt.nas.predictors.fit import Options

SHARED = ("all", "operation", "slot")
"""Deviations that share a variance, one process each."""

MOST = 64
"""Operations, or slots, beyond which their variances are too many to be fitted, and that process is left out."""


class Effects:
    """See :class:`lbt.nas.predictors.fit.Fitted`; ``weights`` of the processes by what their deviations share."""

    calibration: Calibration | None = None

    def __init__(self, groups: Groups, kinds: int, processes: dict[str, GaussianProcess], weights: list[float]) -> None:
        self.groups, self.kinds, self.processes, self.weights = groups, kinds, processes, weights

    def predict(self, rows: np.ndarray, columns: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation (the processes' own and their disagreement), float64 (N,) each."""
        found = self.groups(rows, beside(rows, columns))
        parts = [p.predict(list(found.values()), linear(found, s, self.kinds)) for s, p in self.processes.items()]
        means, deviations = (np.stack(part) for part in zip(*parts, strict=True))
        weights = np.array(self.weights)
        mean = weights @ means
        return mean, np.sqrt(weights @ (deviations**2 + (means - mean) ** 2))

    def state(self) -> State:
        """See :class:`lbt.nas.predictors.fit.Fitted`."""
        groups, groups_facts = self.groups.state()
        tensors = under("groups", groups)
        for shared, process in self.processes.items():
            tensors |= under(f"process.{shared}", process.state())
        return tensors, {"groups": groups_facts, "weights": list(zip(self.processes, self.weights, strict=True))}


def counted(space: CellSpace, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The groups of :func:`one_hot`, and ``counts`` (N, O): how often each operation occurs in the slots."""
    groups = one_hot(space, rows)
    kinds = len(space.operations)
    return groups | {"counts": groups["operations"].reshape(len(rows), -1, kinds).sum(1)}


def linear(groups: dict[str, np.ndarray], shared: str, kinds: int) -> list[np.ndarray]:
    """Groups whose effects have one variance each, float64 (N, F) per group.

    ``operations`` (N, S·O) with O = ``kinds`` is one group if ``shared`` is ``all``, else one per operation or per
    slot; together they have the weight of one.
    """
    others = [group for name, group in groups.items() if name != "operations"]
    whole = groups["operations"]
    slots = whole.reshape(len(whole), -1, kinds)  # (N, S, O)
    if shared == "all":
        return [whole, *others]
    parts = np.moveaxis(slots, 2 if shared == "operation" else 1, 0)
    return [*(part / len(parts) ** 0.5 for part in parts), *others]


def fit(
    space: CellSpace, rows: np.ndarray, values: np.ndarray, options: Options, seed: int, columns: np.ndarray
) -> Effects:
    """Fit on rows (N, L) with ``values`` (N,); no option of the neural predictors applies."""
    groups, kinds, target = Groups(counted, space, rows, columns, seed), len(space.operations), robust_scores(values)
    found = groups(rows, columns)
    number = {"all": 1, "operation": kinds, "slot": found["operations"].shape[1] // kinds}
    processes = {
        shared: GaussianProcess(list(found.values()), target, linear=linear(found, shared, kinds))
        for shared in SHARED
        if number[shared] <= MOST
    }
    likely = np.array([process.leave_one_out_likelihood() for process in processes.values()])
    weights = np.exp(likely - likely.max())
    return Effects(groups, kinds, processes, (weights / weights.sum()).tolist())


def load(space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Effects:
    """The predictor of a :meth:`Effects.state`."""
    groups = Groups.load(counted, space, below("groups", tensors), facts["groups"])
    processes = {shared: GaussianProcess.load(below(f"process.{shared}", tensors)) for shared, _ in facts["weights"]}
    return Effects(groups, len(space.operations), processes, [weight for _, weight in facts["weights"]])
