"""The findings of a stage's jobs, in one table and in one short list of means and standard deviations over seeds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase
from statistics import fmean, stdev
from typing import Any

from lbt.artifacts import read_json, write_table
from lbt.pipeline.job import METRICS, Job, Paths

NAME = "summary"
TABLE = "table.parquet"


def worth_a_line(metrics: Iterable[str], headline: tuple[str, ...]) -> list[str]:
    """Those of ``metrics`` that match one of the patterns (``fnmatch``) that a stage names as its headline."""
    return [metric for metric in metrics if any(fnmatchcase(metric, pattern) for pattern in headline)]


def job(stage: str, jobs: list[Job]) -> list[Job]:
    """The job that summarises ``jobs``; none where a stage has nothing to summarise."""
    needs = {job.name: job for job in jobs if job.group}
    return [Job(stage, NAME, {}, (TABLE,), needs)] if needs else []


def run(job: Job, paths: Paths, headline: tuple[str, ...]) -> dict[str, float]:
    """Write ``table.parquet`` (a row per job: its name, its group, all its metrics) and return the headline metrics.

    Args:
        headline: patterns (``fnmatch``) of the metrics worth a line in ``metrics.json``, as ``<group>/<metric>/mean``
            and ``/std`` (over the jobs of a group; the sample standard deviation, left out where there is one job).
    """
    rows: list[dict[str, Any]] = []
    for name, need in job.needs.items():
        rows.append({"job": name, "group": need.group, **read_json(paths.needs[name] / METRICS)})
    columns = list(dict.fromkeys(column for row in rows for column in row))
    write_table(paths.out(TABLE), {column: [row.get(column) for row in rows] for column in columns})

    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["group"]].append(row)
    metrics: dict[str, float] = {}
    for group, members in groups.items():
        for metric in worth_a_line(columns, headline):
            values = [float(row[metric]) for row in members if isinstance(row.get(metric), (int, float))]
            values = [value for value in values if math.isfinite(value)]
            if values:
                metrics[f"{group}/{metric}/mean"] = fmean(values)
            if len(values) > 1:
                metrics[f"{group}/{metric}/std"] = stdev(values)
    return metrics
