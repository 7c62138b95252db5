"""The plan, and the functions that give the rules their inputs and outputs."""

import sys
from functools import cache

from snakemake.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import ExecMode

from lbt.errors import LbtError, warn
from lbt.pipeline.finish import finish, forced_by_dvc, record
from lbt.pipeline.job import METRICS, RECORD
from lbt.pipeline.plan import STAGES, Plan
from lbt.pipeline.preflight import lines

NAMED = workflow.config_settings.configfiles

# The one that the user names comes before the one that the Snakefile names.
PARAMS = workflow.configfiles[0]

try:
    if len(NAMED) > 1:
        raise LbtError(
            f"--configfile: found {len(NAMED)} files; a run has one params file"
        )
    if workflow.config_settings.config:
        raise LbtError(
            f"--config: found {', '.join(workflow.config_settings.config)}; params are set in a params file, or with "
            "`dvc exp run -S 'params/default.yaml:KEY=VALUE'`"
        )
    PLAN = Plan(PARAMS)
    PLAN.jobs  # every mistake in the params is told before anything is planned
    if workflow.exec_mode == ExecMode.DEFAULT:
        for line in lines(PLAN.params):
            warn(line)
except LbtError as error:
    sys.exit(f"lbt: {error}")


def forced():
    """The stages that the user forces: all of their jobs, of which the rule of that name is only the last."""
    settings = workflow.dag_settings
    named = set(settings.forcerun) | (
        set(settings.targets) if settings.forcetargets else set()
    )
    return {*named & set(PLAN.declarations), forced_by_dvc()}


@cache
def plan():
    """The plan with its stamps written: when the first rule is asked for its inputs, the user's flags are known."""
    main = workflow.exec_mode == ExecMode.DEFAULT
    PLAN.write_stamps(forced() if main else ())
    if main and not workflow.dryrun and not PLAN.to_run:
        record(PLAN)  # where nothing is to be done, `onsuccess` is not called
    return PLAN


def job_of(stage, *parts):
    """The job that a rule's wildcards and then ``parts`` name; a rule without them is its stage's last job."""

    def find(wildcards):
        names = [*wildcards, *parts]
        return plan().job(stage, "/".join(names)) if names else plan().stage(stage)[-1]

    return find


def stamp(stage, *parts):
    """The job's stamp: newer than its outputs when, and only when, the job has to run."""
    return lambda wildcards: plan().stamp(job_of(stage, *parts)(wildcards))


def needs(stage, *parts):
    """All outputs of the jobs that a job needs.

    Their age says nothing about a job that is fresh (ancient), whatever is made again before it. A stale job's are not
    ancient: Snakemake would not look at its stamp once something before it has to run.
    """

    def find(wildcards):
        job = job_of(stage, *parts)(wildcards)
        files = [
            plan().folder(n) / o for n in job.needs.values() for o in (*n.made, RECORD)
        ]
        return (
            files
            if job.key in plan().to_run
            else [ancient(str(file)) for file in files]
        )

    return find


def makes(stage, pattern, names=None):
    """The files of a kind of job below its folder, by default the stage's outputs, with metrics and record."""
    made = STAGES.load(stage).OUTPUTS.values() if names is None else names
    return [PLAN.root / stage / pattern / name for name in (METRICS, *made, RECORD)]


def logged(stage, pattern, suffix="log"):
    """Where a job's output (or its resource usage) is kept; not an artifact, since no two runs agree on it."""
    return f"logs/{PLAN.run}/{stage}/{pattern}.{suffix}"


def tidy():
    """:func:`lbt.pipeline.finish.finish`, with its errors in Snakemake's form."""
    try:
        finish(PLAN)
    except LbtError as error:
        raise WorkflowError(f"lbt: {error}")
