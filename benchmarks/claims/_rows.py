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
    """Difference in points over the seeds that both jobs have, with its interval; no row where there is none."""
    both = sorted(found.get(job, {}).keys() & found.get(reference, {}).keys())
    if not both:
        return []
    differences = [found[job][seed][metric] - found[reference][seed][metric] for seed in both]
    return [with_interval(mean(name, differences, "points"))]


def with_interval(row: Row) -> Row:
    """The row with the half width of its mean's 95 % interval (Student's t), where it has more than one seed."""
    n = row["n"]
    return {**row, "interval": float(student.ppf(0.975, n - 1)) * row["std"] / n**0.5} if n > 1 else row
