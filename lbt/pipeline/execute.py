"""Running jobs, by hand or for an engine."""

from __future__ import annotations

import shutil
from typing import Any

from lbt import artifacts
from lbt.errors import LbtError
from lbt.pipeline import summary
from lbt.pipeline.host import host
from lbt.pipeline.job import METRICS, RECORD, Job, write_record
from lbt.pipeline.plan import STAGES, Plan


def execute(plan: Plan, job: Job) -> dict[str, Any]:
    """Run one job and return its metrics: its outputs carry their provenance, and its record is written last.

    Raises:
        LbtError: the job cannot run, or its code or files changed while it ran: it has no record then, and runs again.
    """
    plan.claim()
    paths = plan.paths(job)
    paths.folder.mkdir(parents=True, exist_ok=True)
    artifacts.remove_temporaries(paths.folder)
    (paths.folder / RECORD).unlink(missing_ok=True)
    facts = plan.facts(job)
    stage = STAGES.load(job.stage)
    with artifacts.provenance(facts):
        if job.name == summary.NAME:
            metrics = summary.run(job, paths, stage.HEADLINE)
        else:
            metrics = stage.run(job, paths)
        artifacts.write_json(paths.out(METRICS), metrics)
    _check_unchanged(plan, job)
    artifacts.write_json(plan.log(job, "host.json"), host())
    write_record(paths.folder, job.made, facts)
    shutil.rmtree(paths.scratch, ignore_errors=True)
    return metrics


def _check_unchanged(plan: Plan, job: Job) -> None:
    """Refuse to seal what was made from code or files of which nobody can say which version was read.

    Params were read before the job began: the record says which, and is stale where the file now says something else.
    """
    now = plan.renewed()
    if now.code(job.stage) != plan.code(job.stage) or now.read_by(job) != plan.read_by(job):
        raise LbtError(f"{job.key}: its code or the files that it reads changed while it ran; run it again")
