"""Scores of incremental learning, from the accuracy matrix R.

R[i][j] is the accuracy in percent on task j's test images after task i was learnt, for j ≤ i. With T tasks::

    average accuracy    mean over j of R[T-1][j]
    forgetting          mean over j < T-1 of max over i < T-1 of R[i][j] - R[T-1][j]    (Chaudhry et al. 2018)
    backward transfer   mean over j < T-1 of R[T-1][j] - R[j][j]          (Lopez-Paz & Ranzato 2017, arXiv 1706.08840)

Chaudhry et al.: arXiv 1801.10112. Both of the last are 0 for a single task.
"""

from __future__ import annotations

from collections.abc import Sequence

Matrix = Sequence[Sequence[float]]
"""Lower triangle: row i has i + 1 values."""


def average_accuracy(matrix: Matrix) -> float:
    """Mean accuracy over all tasks after the last one, in percent."""
    return sum(matrix[-1]) / len(matrix[-1])


def forgetting(matrix: Matrix) -> float:
    """Mean loss of each old task against its best, in points; negative where learning on helped."""
    old = range(len(matrix) - 1)
    lost = [max(row[j] for row in matrix[j:-1]) - matrix[-1][j] for j in old]
    return sum(lost) / len(lost) if lost else 0.0


def backward_transfer(matrix: Matrix) -> float:
    """Mean change of each old task since it was learnt, in points."""
    changes = [matrix[-1][j] - matrix[j][j] for j in range(len(matrix) - 1)]
    return sum(changes) / len(changes) if changes else 0.0


def scores(matrix: Matrix) -> dict[str, float]:
    """All of them, by name."""
    return {
        "accuracy": average_accuracy(matrix),
        "forgetting": forgetting(matrix),
        "backward_transfer": backward_transfer(matrix),
    }
