"""Numbers of a table as features: FLOPs, parameters, or any that is known before an architecture is evaluated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import skew

from lbt.errors import LbtError


@dataclass(frozen=True)
class Columns:
    """Names of the columns, and how each is brought to mean 0 and deviation 1 over the table.

    Attributes:
        names: C names.
        logarithm: True where a column counts by its logarithm: all positive, and less skewed so.
        lowest, shift, scale: float64 (C,); values are raised to ``lowest`` before a logarithm.
    """

    names: tuple[str, ...] = ()
    logarithm: tuple[bool, ...] = ()
    lowest: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    @classmethod
    def of(cls, names: tuple[str, ...], values: np.ndarray) -> Columns:
        """Columns with the scale of ``values``, finite float64 (N, C).

        Raises:
            LbtError: a column has the same value in every row.
        """
        facts = []
        for name, column in zip(names, values.T, strict=True):
            if column.min() == column.max():
                raise LbtError(f"feature {name} is {column[0]:g} in every row: it tells nothing")
            positive = column.min() > 0
            logarithm = bool(positive and abs(skew(np.log(column))) < abs(skew(column)))
            scaled = np.log(column) if logarithm else column
            facts.append((name, logarithm, float(column.min()), float(scaled.mean()), float(scaled.std())))
        return cls(*(tuple(parts) for parts in zip(*facts, strict=True))) if facts else cls()

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """``values`` (N, C) scaled, float64 (N, C)."""
        scaled = np.array(values, float).reshape(len(values), len(self.names))
        for index, logarithm in enumerate(self.logarithm):
            if logarithm:
                scaled[:, index] = np.log(np.maximum(scaled[:, index], self.lowest[index]))
        return (scaled - np.array(self.shift)) / np.array(self.scale)
