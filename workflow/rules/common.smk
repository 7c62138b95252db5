"""The plan, and the functions that give the rules their inputs and outputs."""

import sys

from lbt.errors import LbtError
from lbt.pipeline.finish import finish
from lbt.pipeline.plan import Plan

# The one that the user names comes before the one that the Snakefile names.
PARAMS = workflow.configfiles[0]

try:
    PLAN = Plan(PARAMS)
    PLAN.write_stamps()
except LbtError as error:
    sys.exit(f"lbt: {error}")


def job_of(stage):
    """The job that a rule's wildcards name; a rule without wildcards is its stage's last job."""

    def find(wildcards):
        return (
            PLAN.job(stage, "/".join(wildcards))
            if len(wildcards)
            else PLAN.stage(stage)[-1]
        )

    return find


def stamp(stage):
    """The job's stamp: newer than its outputs when, and only when, the job has to run."""
    return lambda wildcards: PLAN.stamp(job_of(stage)(wildcards))


def needs(stage):
    """All outputs of the jobs that a job needs.

    Their age says nothing about a job that is fresh (ancient), whatever is made again before it. A stale job's are not
    ancient: Snakemake would not look at its stamp once something before it has to run.
    """

    def find(wildcards):
        job = job_of(stage)(wildcards)
        files = [
            PLAN.folder(n) / o
            for n in job.needs.values()
            for o in (*n.outputs, "job.json")
        ]
        return (
            files if job.key in PLAN.to_run else [ancient(str(file)) for file in files]
        )

    return find


def makes(stage, pattern, *names):
    """The outputs of a kind of job below its folder, with the record that is written last."""
    return [PLAN.root / stage / pattern / name for name in (*names, "job.json")]


def logged(stage, pattern, suffix="log"):
    """Where a job's output (or its resource usage) is kept; not an artifact, since no two runs agree on it."""
    return f"logs/{PLAN.run}/{stage}/{pattern}.{suffix}"
