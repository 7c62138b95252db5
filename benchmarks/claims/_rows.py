"""Rows of an experiment: mean and spread over seeds, and differences that are paired by the seed."""

from __future__ import annotations

from typing import Any

import _runs

Row = dict[str, Any]
Found = dict[str, dict[int, dict[str, Any]]]
"""Job → seed → its numbers."""


def values(found: Found, job: str, metric: str) -> list[float]:
    """The metric of a job, one value a seed in the order of seeds."""
    return [found[job][seed][metric] for seed in sorted(found.get(job, {}))]


def paired(name: str, found: Found, job: str, reference: str, metric: str, unit: str = "points") -> list[Row]:
    """Difference over the seeds that both jobs have, with its interval; no row where there is none."""
    both = sorted(found.get(job, {}).keys() & found.get(reference, {}).keys())
    if not both:
        return []
    differences = [found[job][seed][metric] - found[reference][seed][metric] for seed in both]
    return [{**_runs.paired(name, differences), "unit": unit}]
