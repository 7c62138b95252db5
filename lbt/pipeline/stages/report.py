"""One page, its figures, and the tables behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lbt.params import Params
from lbt.pipeline import summary
from lbt.pipeline.job import Job, Paths
from lbt.registry import Registry

SECTIONS = ()
HEADLINE = ()
FINDINGS = Registry("section", "lbt.report.sections").names()
FIGURES = tuple(f"{name}.svg" for name in FINDINGS)
OTHERS = ("report.html", "results.md", *(f"{name}.{kind}" for name in FINDINGS for kind in ("png", "csv")))


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """A single job that reads everything."""
    needs = {key: job for key, job in made.items() if job.stage != "report"}
    yield Job("report", ".", {}, (*OTHERS, *FIGURES), needs)


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Draw the figures and write the page."""
    from lbt.report.found import Found
    from lbt.report.stage import run

    by_stage: dict[str, dict[str, Any]] = {}
    for key, need in job.needs.items():
        if need.name != summary.NAME:
            by_stage.setdefault(need.stage, {})[need.name] = paths.needs[key]
    tables = {need.stage: paths.needs[key] for key, need in job.needs.items() if need.name == summary.NAME}
    return run(Found(tables, by_stage), paths.folder)
