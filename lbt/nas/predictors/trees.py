"""Fitted regression trees of scikit-learn as plain arrays, which can be kept without a pickle."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from lbt.nas.predictors.state import State, arrays, under

CHUNK = 2048
"""Rows that are predicted at a time."""


class Trees:
    """A sum of trees: ``(base + scale · Σ leaf) / count``, in the order in which scikit-learn sums.

    Args:
        nodes: of all trees, one after the other: ``left``, ``right`` (a leaf points at itself), ``feature``,
            ``threshold``, ``value``, and ``root``, the first node of each tree.
        facts: ``base``, ``scale``, ``count``, and ``depth`` of the deepest tree.
    """

    def __init__(self, nodes: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        self.nodes, self.facts = nodes, facts

    @classmethod
    def of(cls, model: Any) -> Trees:
        """The trees of a fitted ``ExtraTreesRegressor`` or ``GradientBoostingRegressor``."""
        fitted = [estimator.tree_ for estimator in np.ravel(model.estimators_)]
        root = np.cumsum([0, *(tree.node_count for tree in fitted[:-1])])
        nodes: dict[str, list[np.ndarray]] = {n: [] for n in ("left", "right", "feature", "threshold", "value")}
        for tree, first in zip(fitted, root, strict=True):
            leaf, own = tree.children_left < 0, np.arange(tree.node_count)
            nodes["left"].append(np.where(leaf, own, tree.children_left) + first)
            nodes["right"].append(np.where(leaf, own, tree.children_right) + first)
            nodes["feature"].append(np.maximum(tree.feature, 0))
            nodes["threshold"].append(tree.threshold)
            nodes["value"].append(tree.value[:, 0, 0])
        boosted = hasattr(model, "init_")
        facts = {
            "base": float(model.init_.constant_.item()) if boosted else 0.0,
            "scale": float(model.learning_rate) if boosted else 1.0,
            "count": 1 if boosted else len(fitted),
            "depth": max(tree.max_depth for tree in fitted),
        }
        return cls({name: np.concatenate(parts) for name, parts in nodes.items()} | {"root": root}, facts)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Rows (N, F) → float64 (N,); compared in float32, as scikit-learn does."""
        parts = [self._predict(part) for part in np.split(x.astype(np.float32), range(CHUNK, len(x), CHUNK))]
        return np.concatenate(parts)

    def _predict(self, x: np.ndarray) -> np.ndarray:
        n = self.nodes
        row, node = np.arange(len(x))[:, None], np.tile(n["root"], (len(x), 1))
        for _ in range(self.facts["depth"]):
            smaller = x[row, n["feature"][node]] <= n["threshold"][node]
            node = np.where(smaller, n["left"][node], n["right"][node])
        total = np.full(len(x), self.facts["base"])
        for leaf in n["value"][node].T:
            total += self.facts["scale"] * leaf
        return total / self.facts["count"]

    def state(self) -> State:
        """See :class:`lbt.nas.predictors.fit.Fitted`."""
        return under("nodes", self.nodes), self.facts

    @classmethod
    def load(cls, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Trees:
        """The trees of a :meth:`state`."""
        return cls(arrays("nodes", tensors), facts)
