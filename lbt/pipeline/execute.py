"""Running jobs, by hand or for an engine."""

from __future__ import annotations

import shutil
from typing import Any

from lbt import artifacts
from lbt.errors import LbtError
from lbt.pipeline import summary
from lbt.pipeline.host import host
from lbt.pipeline.job import RECORD, Job, write_record
from lbt.pipeline.plan import STAGES, Plan


def execute(plan: Plan, job: Job) -> dict[str, Any]:
    """Run one job and return its metrics: its outputs carry their provenance, and its record is written last.

    Raises:
        LbtError: the job cannot run, or what it depends on changed while it ran: it has no record then, and runs again.
    """
    plan.claim()
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
    _check_unchanged(plan, job)
    artifacts.write_json(plan.log(job, "host.json"), host())
    write_record(paths.folder, job.outputs, facts)
    shutil.rmtree(paths.scratch, ignore_errors=True)
    return metrics


def _check_unchanged(plan: Plan, job: Job) -> None:
    """Refuse to seal what was made from code, params or files of which nobody can say which version was read."""
    now = Plan(plan.params_file)
    if job.key not in now.jobs or now.fingerprint(now.jobs[job.key]) != plan.fingerprint(job):
        raise LbtError(f"{job.key}: its code, params or inputs changed while it ran; run it again")
