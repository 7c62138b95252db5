"""Running jobs, by hand or for an engine."""

from __future__ import annotations

import shutil
from typing import Any

from lbt import artifacts
from lbt.pipeline import summary
from lbt.pipeline.job import RECORD, Job, write_record
from lbt.pipeline.plan import STAGES, Plan


def execute(plan: Plan, job: Job) -> dict[str, Any]:
    """Run one job and return its metrics: its outputs carry their provenance, and its record is written last."""
    paths = plan.paths(job)
    paths.folder.mkdir(parents=True, exist_ok=True)
    (paths.folder / RECORD).unlink(missing_ok=True)
    facts = plan.facts(job)
    stage = STAGES.load(job.stage)
    with artifacts.provenance(facts):
        if job.name == summary.NAME:
            metrics = summary.run(job, paths, stage.HEADLINE)
        else:
            metrics = stage.run(job, paths)
        artifacts.write_json(paths.out("metrics.json"), metrics)
    write_record(paths.folder, job.outputs, facts)
    shutil.rmtree(paths.scratch, ignore_errors=True)
    return metrics
