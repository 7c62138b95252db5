"""One page, its figures, and the tables behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lbt.params import Params
from lbt.pipeline import summary
from lbt.pipeline.job import Job, Paths

SECTIONS = ()
HEADLINE = ()
FIGURES = ("accuracy", "curves", "predictors", "search", "supernet", "cost", "pareto")
TABLES = ("accuracy", "predictors", "cost")


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """A single job that reads everything."""
    outputs = ("metrics.json", "report.html", "results.md", *(f"{name}.csv" for name in TABLES))
    outputs += tuple(f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png"))
    yield Job("report", ".", {}, outputs, needs={key: job for key, job in made.items() if job.stage != "report"})


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Draw the figures and write the page."""
    from lbt.report.stage import Inputs, run

    by_stage: dict[str, dict[str, Any]] = {}
    for key, need in job.needs.items():
        if need.name != summary.NAME:
            by_stage.setdefault(need.stage, {})[need.name] = paths.needs[key]
    tables = {need.stage: paths.needs[key] for key, need in job.needs.items() if need.name == summary.NAME}
    return run(Inputs(tables, by_stage), paths.folder)
