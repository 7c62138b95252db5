"""One job of one stage: what it depends on, what it makes, and the record that it leaves beside what it made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lbt.artifacts import read_json, sha256, write_json
from lbt.errors import LbtError

METRICS = "metrics.json"
"""In every job's folder: the numbers that its ``run`` returned."""
RECORD = "job.json"
"""Written last in a job's folder: without it, or with another fingerprint in it, the folder counts as not made."""


@dataclass(frozen=True)
class Job:
    """A unit of work with a folder of its own, ``results/<run>/<stage>/<name>/``.

    Attributes:
        stage: name of the stage in ``dvc.yaml``.
        name: path below the stage's folder, unique in it, such as ``"mnist-optdigits/mean_teacher/int8/0"``.
        params: everything in the params file that this job depends on, by dotted key; each key must lie under one that
            ``dvc.yaml`` declares for the stage. Grids are not in it: they decide which jobs exist, not what one does.
        files: workspace files that it reads besides code (a recipe, a board, a user's images), each under a declared
            dependency of the stage.
        needs: the jobs whose outputs it reads, by role.
        outputs: names of the files that it makes in its folder beside :data:`METRICS`.
        group: the name without what only repeats the experiment; jobs of one group are averaged. Empty: not summarised.
    """

    stage: str
    name: str
    params: Mapping[str, Any]
    outputs: tuple[str, ...]
    needs: Mapping[str, Job] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    group: str = ""

    @property
    def key(self) -> str:
        """``stage/name``, unique in a run."""
        return f"{self.stage}/{self.name}"

    @property
    def made(self) -> tuple[str, ...]:
        """Names of all files that it makes in its folder, but for its record."""
        return (METRICS, *self.outputs)


@dataclass(frozen=True)
class Paths:
    """Folders that a job reads and writes, handed to a stage's ``run``.

    Attributes:
        folder: the job's own folder.
        needs: the folder of each job that it needs, by role.
        scratch: where an unfinished run keeps its checkpoints; emptied when the job is done.
    """

    folder: Path
    needs: Mapping[str, Path]
    scratch: Path

    def out(self, name: str) -> Path:
        """The path of the output ``name``."""
        return self.folder / name

    def outs(self, names: Mapping[str, str]) -> dict[str, Path]:
        """The path of each output, by what a stage calls it."""
        return {role: self.out(name) for role, name in names.items()}


def read_record(folder: Path) -> dict[str, Any]:
    """The record in ``folder``, or an empty mapping when there is none that can be read."""
    record = read_own(folder / RECORD)
    return record if isinstance(record.get("outputs"), dict) else {}


def read_own(path: Path) -> dict[str, Any]:
    """The JSON object in a file of lbt's own that can be made again; empty where it cannot be read."""
    try:
        return read_json(path)
    except LbtError:
        return {}


def write_record(folder: Path, outputs: tuple[str, ...], facts: Mapping[str, Any]) -> None:
    """Seal a finished job: its facts, and the hash of every file that it made.

    Raises:
        LbtError: the job did not make a file that it announces.
    """
    missing = [name for name in outputs if not (folder / name).is_file()]
    if missing:
        raise LbtError(f"{folder}: the job ended without making {', '.join(missing)}")
    write_json(folder / RECORD, {**facts, "outputs": {name: sha256(folder / name) for name in outputs}})


class HashCache:
    """SHA-256 of files, remembered by size and times so that asking again costs one ``stat``.

    The time of the last change of the inode is one of them: no program can put that back, as ``touch`` can the time of
    the last write.

    Args:
        path: the JSON file that keeps what was learnt.
        trust: use what the file holds; otherwise every file is hashed anew.
    """

    def __init__(self, path: Path, trust: bool = True) -> None:
        self.path = path
        kept = read_own(path) if trust else {}
        self._known = {file: known for file, known in kept.items() if _is_known(known)}
        self._dirty = False

    def __call__(self, path: Path) -> str:
        """The hash of ``path``; ``"missing"`` when there is no such file."""
        try:
            stat = path.stat()
        except OSError:
            return "missing"
        identity = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        known = self._known.get(str(path))
        if known is None or known[0] != identity:
            known = self._known[str(path)] = [identity, sha256(path)]
            self._dirty = True
        return known[1]

    def save(self) -> None:
        """Keep what was learnt for the next process."""
        if self._dirty:
            write_json(self.path, {path: known for path, known in self._known.items() if Path(path).exists()})
            self._dirty = False


def _is_known(entry: Any) -> bool:
    """True if an entry of the cache is [[size, times, inode], digest]."""
    return isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], list) and isinstance(entry[1], str)


def freshness(job: Job, folder: Path, fingerprint: str, digest: Callable[[Path], str]) -> str:
    """The reason why ``job`` has to run; an empty string if the outputs in ``folder`` are up to date."""
    record = read_record(folder)
    if not record:
        return "not made yet"
    if record.get("fingerprint") != fingerprint:
        return "code, params or inputs changed"
    known = record["outputs"]
    for name in job.made:
        if digest(folder / name) != known.get(name):
            return f"{name} is missing or altered"
    return ""
