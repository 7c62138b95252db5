"""Work beside Snakemake's jobs: tidying up, and telling DVC."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import psutil

from lbt.artifacts import sha256, write_json
from lbt.errors import LbtError, warn
from lbt.pipeline.job import RECORD, read_own
from lbt.pipeline.plan import STATE, Plan

LOCK = Path("dvc.lock")
MEMORY = STATE / "dvc.json"
"""The last record in ``dvc.lock``: the hash of that file, and a fingerprint of each stage."""


def finish(before: Plan) -> None:
    """Remove what earlier grids left, and record the finished stages in ``dvc.lock``.

    The plan is made again: code or params may have changed while the jobs ran, and what was made for others is not
    recorded.

    Raises:
        LbtError: DVC is the caller, and would record what the stage was not made with.
    """
    plan = Plan(before.params_file)
    fresh = plan.fresh_stages()
    plan.prune(fresh)
    _empty_folders(plan)
    plan.digest.save()
    caller = os.environ.get("DVC_STAGE")
    if caller and plan.versioned and caller not in fresh:
        raise LbtError(f"{caller}: code or params changed while it ran; run `dvc repro` again")
    if before.identity() != plan.identity():
        warn(f"{plan.params_file} or the code changed while this ran: what it made for others runs again next time")
    record(plan, fresh)


def record(plan: Plan, fresh: list[str] | None = None) -> None:
    """Bring the finished stages' entries in ``dvc.lock`` up to date, so that DVC has nothing to do for them.

    Nothing is recorded for other runs than the one that ``dvc.yaml`` declares, outside a DVC workspace, when DVC
    itself is the caller (it records what its command made), or where the entries are up to date. Trouble with DVC
    harms nothing that was made: it is one warning, with DVC's words and the command to type.

    Args:
        plan: the jobs, as they are on disk now.
        fresh: stages all of whose jobs are fresh, where that is known.
    """
    if not plan.versioned or not Path(".dvc").is_dir() or "DVC_STAGE" in os.environ:
        return
    fresh = plan.fresh_stages() if fresh is None else fresh
    _empty_folders(plan)
    prints = {stage: _stage_fingerprint(plan, stage) for stage in fresh}
    if not fresh or read_own(MEMORY) == {"lock": _lock(), **prints}:
        return
    command = ["dvc", "commit", "--force", *fresh]
    params = sha256(plan.params_file)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        words = " ".join((done.stderr or done.stdout).split()) if done.returncode else ""
    except OSError as error:
        words = f"dvc could not be started: {error.strerror}"
    if not words and sha256(plan.params_file) != params:
        words = f"{plan.params_file} changed meanwhile"
    if words:
        MEMORY.unlink(missing_ok=True)
        warn(f"the results are complete, but {LOCK} does not have them: {words}; run `{' '.join(command)}`")
    else:
        write_json(MEMORY, {"lock": _lock(), **prints})


def _empty_folders(plan: Plan) -> None:
    """Make the folder of each stage for which the params ask no job: DVC records an output that is there."""
    for stage in plan.declarations:
        if not plan.stage(stage):
            (plan.root / stage).mkdir(parents=True, exist_ok=True)


def _stage_fingerprint(plan: Plan, stage: str) -> str:
    """A hash over a stage's jobs, and over the bytes of their records (which hold the outputs' hashes)."""
    parts = [f"{job.key} {plan.digest(plan.folder(job) / RECORD)}" for job in plan.stage(stage)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _lock() -> str:
    return sha256(LOCK) if LOCK.is_file() else "missing"


def forced_by_dvc() -> str:
    """The stage that DVC runs now, if its user typed ``--force``; empty otherwise.

    DVC tells a stage's command nothing of its flags, so that they are read from the command line of the ``dvc`` that
    is an ancestor of this process.
    """
    stage = os.environ.get("DVC_STAGE", "")
    return stage if stage and any(_forces(process.cmdline()) for process in psutil.Process().parents()) else ""


def _forces(command: list[str]) -> bool:
    """True if ``command`` is one of DVC's with its flag ``--force``."""
    from dvc.cli import DvcParserError, parse_args

    places = [index for index, word in enumerate(command[:3]) if Path(word).name == "dvc"]
    try:
        return bool(places) and bool(getattr(parse_args(command[places[0] + 1 :]), "force", False))
    except (DvcParserError, SystemExit):
        return False
