"""The plan of a run: every job that a params file asks for, and whether its outputs on disk are up to date.

A job's fingerprint is a hash of its stage's code, of the params and files that it alone depends on, and of the
fingerprints of the jobs that it needs. It is computed before anything runs, and kept beside what the job made, so that
freshness needs neither time stamps nor an engine's memory: a fresh clone after ``dvc pull`` knows as much as the clone
that made the files.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lbt.artifacts import atomic, read_json, remove_temporaries, write_json
from lbt.errors import LbtError, unknown
from lbt.params import Params, load_params
from lbt.pipeline import summary
from lbt.pipeline.declaration import (
    DVC_YAML,
    Declaration,
    check_stage,
    code_fingerprint,
    files_below,
    read_declarations,
)
from lbt.pipeline.job import RECORD, HashCache, Job, Paths, freshness
from lbt.registry import Registry

STAGES = Registry("stage", "lbt.pipeline.stages")
STATE = Path(".lbt")
RUN_RECORD = "run.json"
"""In a run's folder: the params file that the run is of."""
LONG_AGO = 946684800  # 2000-01-01: older than any file that a job has made


class Plan:
    """All jobs of one run.

    Args:
        params_file: the YAML file that describes the run; its stem names the run's folder, ``results/<stem>/``.
        verify: hash every file anew instead of trusting a file whose size and times have not changed.
        check_files: refuse a job that reads a file of the workspace which ``dvc.yaml`` does not declare.

    Raises:
        LbtError: the params file, ``dvc.yaml`` or the two together are wrong, or another params file of that name has
            results already; nothing has been written.
    """

    def __init__(
        self, params_file: str | Path = "params/default.yaml", verify: bool = False, check_files: bool = True
    ) -> None:
        self.params_file = Path(params_file)
        self.params: Params = load_params(self.params_file)
        self.run = self.params_file.stem
        self.root = Path("results") / self.run
        self.declarations: dict[str, Declaration] = read_declarations()
        self.versioned = any(self.root in Path(out).parents for one in self.declarations.values() for out in one.outs)
        self.check_files = check_files and self.versioned
        self._check_owner()
        self.digest = HashCache(STATE / "hashes.json", trust=not verify)
        self._fingerprints: dict[str, str] = {}
        self._code: dict[str, str] = {}
        self._files: dict[str, dict[str, str]] = {}
        self.to_run: set[str] = set()

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """Every job by its key, in an order in which they can run; each stage ends with its summary."""
        jobs: dict[str, Job] = {}
        for stage in self.declarations:
            mode = {"reproducible": self.params.reproducible}
            made: list[Job] = []
            own: dict[str, Job] = {}
            for job in STAGES.load(stage, "dvc.yaml").jobs(self.params, jobs):
                needs = {role: own.get(need.key, need) for role, need in job.needs.items()}
                made.append(replace(job, params={**job.params, **mode}, needs=needs))
                own[job.key] = made[-1]
            for job in (*made, *summary.job(stage, made)):
                self._check(job)
                if job.key in jobs:
                    raise LbtError(
                        f"{self.params_file}: two jobs would be called {job.key}; give one of the domains, recipes or "
                        "files that are named there another name"
                    )
                jobs[job.key] = job
        return jobs

    def _check_owner(self) -> None:
        """Refuse a params file that would write into the results of another one with the same name."""
        owner, record = self._first_owner(), self.root / RUN_RECORD
        if not owner.is_file() and record.is_file():
            owner = Path(str(read_json(record).get("params_file", "")))
        if owner.is_file() and owner.resolve() != self.params_file.resolve():
            raise LbtError(
                f"{self.params_file}: {self.root} holds the results of {owner}; give this params file another name"
            )

    def _first_owner(self) -> Path:
        """The params file to which a run's name belongs, if there is such a file."""
        return Path("params") / f"{self.run}.yaml"

    def claim(self) -> None:
        """Note in the run's folder which params file it is of; one in ``params/`` is known by its name."""
        if self.params_file.resolve() != self._first_owner().resolve():
            write_json(self.root / RUN_RECORD, {"params_file": self.params_file.as_posix()})

    def _check(self, job: Job) -> None:
        """A job may depend only on what ``dvc.yaml`` declares for its stage, so that the two engines cannot drift."""
        declared = self.declarations[job.stage]
        for key in job.params:
            if not declared.allows_param(key):
                raise LbtError(f"dvc.yaml: stages.{job.stage}.params: add {key}, on which job {job.key} depends")
        for file in job.files if self.check_files else ():
            if not declared.allows_file(file):
                raise LbtError(
                    f"{DVC_YAML}: stages.{job.stage}.deps: add {file}, read by job {job.key} (`lbt declare` does so)"
                )
        for need in job.needs.values():
            if need.stage != job.stage and need.stage not in declared.upstream:
                raise LbtError(f"dvc.yaml: stages.{job.stage}.deps: add results/<run>/{need.stage}, read by {job.key}")

    def stage(self, name: str) -> list[Job]:
        """The jobs of one stage, its summary last."""
        check_stage(name, self.declarations)
        return [job for job in self.jobs.values() if job.stage == name]

    def job(self, stage: str, name: str) -> Job:
        """One job; an error with the nearest spelling when the grid has no such job."""
        names = [job.name for job in self.stage(stage)]
        if name not in names:
            raise unknown(f"{stage} job", name, names, where=str(self.params_file))
        return self.jobs[f"{stage}/{name}"]

    def folder(self, job: Job) -> Path:
        """The folder in which ``job`` writes."""
        return self.root / job.stage / job.name

    def paths(self, job: Job) -> Paths:
        """The folders in which ``job`` reads and writes."""
        needs = {role: self.folder(need) for role, need in job.needs.items()}
        return Paths(self.folder(job), needs, STATE / "scratch" / self.run / job.stage / job.name)

    def code(self, stage: str) -> str:
        """Fingerprint of a stage's code."""
        if stage not in self._code:
            self._code[stage] = code_fingerprint(self.declarations[stage].code, self.digest)
        return self._code[stage]

    def fingerprint(self, job: Job) -> str:
        """A hash over everything that the outputs of ``job`` depend on."""
        if job.key not in self._fingerprints:
            content = {
                "job": job.key,
                "code": self.code(job.stage),
                "params": dict(job.params),
                "files": self.read_by(job),
                "needs": {role: self.fingerprint(need) for role, need in job.needs.items()},
                "outputs": job.made,
            }
            text = json.dumps(content, sort_keys=True, default=str)
            self._fingerprints[job.key] = hashlib.sha256(text.encode()).hexdigest()
        return self._fingerprints[job.key]

    def identity(self) -> dict[str, str]:
        """The fingerprint of every job by its key."""
        return {key: self.fingerprint(job) for key, job in self.jobs.items()}

    def read_by(self, job: Job) -> dict[str, str]:
        """The hash of each file or folder of the workspace that ``job`` reads besides code, as first looked at."""
        return self._files.setdefault(job.key, {file: self._digest_tree(Path(file)) for file in job.files})

    def renewed(self) -> Plan:
        """The same jobs, with every file looked at again."""
        other = copy.copy(self)
        other.digest = HashCache(self.digest.path)
        other._fingerprints, other._code, other._files = {}, {}, {}
        return other

    def _digest_tree(self, path: Path) -> str:
        if not path.is_dir():
            return self.digest(path)
        files = files_below(path)
        return hashlib.sha256("".join(f"{f.as_posix()} {self.digest(f)}\n" for f in files).encode()).hexdigest()

    def stale(self, job: Job) -> str:
        """The reason why ``job`` has to run; empty if its outputs are up to date."""
        return freshness(job, self.folder(job), self.fingerprint(job), self.digest)

    def made(self, job: Job, reader: str) -> Path:
        """The folder of ``job``; an error that tells what ``reader`` needs first if its outputs are not up to date."""
        if reason := self.stale(job):
            raise LbtError(
                f"{reader} needs {self.folder(job)} ({reason}): run `snakemake {job.stage}` "
                f"or `lbt {job.stage} --job {job.name}` first"
            )
        return self.folder(job)

    # ------------------------------------------------------------------------------------------------ for Snakemake

    def stamp(self, job: Job) -> Path:
        """The file whose age tells Snakemake whether ``job`` has to run."""
        return STATE / "stamps" / self.run / job.stage / f"{job.name}.stamp"

    def write_stamps(self, forced: Collection[str] = ()) -> None:
        """Make the stamp of every job older than its outputs when they are fresh, and newer when they are stale.

        The keys of the stale ones are in :attr:`to_run` afterwards. Snakemake ignores a newer input whose content it
        has seen when it last ran the job: a stale stamp is therefore never twice the same.

        Args:
            forced: stages all of whose jobs count as stale.
        """
        for folder in {self.stamp(job).parent for job in self.jobs.values()}:
            remove_temporaries(folder, older=60.0)
        for job in self.jobs.values():
            path = self.stamp(job)
            reason = self.stale(job) or ("forced" if job.stage in forced else "")
            text = f"{self.fingerprint(job)}\n" + (f"{reason} ({time.time_ns()})\n" if reason else "")
            if reason or not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
                with atomic(path) as temporary:
                    temporary.write_text(text, encoding="utf-8")
            if reason:
                self.to_run.add(job.key)
            else:
                os.utime(path, (LONG_AGO, LONG_AGO))
        self.digest.save()

    # ------------------------------------------------------------------------------------------------- housekeeping

    def prune(self, stages: Iterable[str]) -> list[Path]:
        """Remove what earlier grids left in the stages' folders; return the folders that went."""
        kept = {self.folder(job) for job in self.jobs.values()}
        gone = [folder for stage in stages for folder in self._made(stage) if folder not in kept]
        for folder in gone:
            shutil.rmtree(folder)
            for parent in folder.parents:
                if parent == self.root or any(parent.iterdir()):
                    break
                parent.rmdir()
        return gone

    def _made(self, stage: str) -> Iterator[Path]:
        yield from (record.parent for record in sorted((self.root / stage).rglob(RECORD)))

    def log(self, job: Job, suffix: str) -> Path:
        """A file for facts about the making of ``job`` that no two runs agree on."""
        return Path("logs") / self.run / job.stage / f"{job.stage if job.name == '.' else job.name}.{suffix}"

    def fresh_stages(self) -> list[str]:
        """Stages all of whose jobs are fresh."""
        return [name for name in self.declarations if not any(self.stale(job) for job in self.stage(name))]

    def facts(self, job: Job) -> dict[str, Any]:
        """The provenance in a job's artifacts and record."""
        return {
            "stage": job.stage,
            "job": job.name,
            "params": dict(job.params),
            "code": self.code(job.stage),
            "fingerprint": self.fingerprint(job),
        }
