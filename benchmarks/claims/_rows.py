"""Rows of an experiment: mean and spread over seeds, and differences that are paired by the seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import t as student

Row = dict[str, Any]
Found = dict[str, dict[int, dict[str, Any]]]
"""Job → seed → its numbers."""


def values(found: Found, job: str, metric: str) -> list[float]:
    """The metric of a job, one value a seed in the order of seeds."""
    return [found[job][seed][metric] for seed in sorted(found.get(job, {}))]


def mean(name: str, numbers: list[float], unit: str) -> Row:
    """Mean and sample standard deviation (0 for one seed)."""
    spread = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else 0.0
    return {"name": name, "value": float(np.mean(numbers)), "unit": unit, "n": len(numbers), "std": spread}


def paired(name: str, found: Found, job: str, reference: str, metric: str) -> list[Row]:
    """Difference in points over the seeds that both jobs have, ``interval`` the half width of its 95 % interval."""
    both = sorted(found.get(job, {}).keys() & found.get(reference, {}).keys())
    if not both:
        return []
    row = mean(name, [found[job][seed][metric] - found[reference][seed][metric] for seed in both], "points")
    if len(both) > 1:
        row["interval"] = float(student.ppf(0.975, len(both) - 1)) * row["std"] / len(both) ** 0.5
    return [row]
