"""Claim: a run that is killed again and again ends with the files of one that was not, and leaves nothing behind.

    python benchmarks/kills.py --quick                                # 8 kills: about three minutes on two idle cores
    python benchmarks/kills.py --kills 24 --json docs/results/kills.json

The pipeline with tests/workflow/tiny.yaml runs once undisturbed. In another copy Snakemake and DVC start in turn; after
a random time a SIGKILL, SIGTERM or SIGINT goes to the engine alone or to all its processes, and the next start follows.
Jobs that a killed Snakemake leaves running write beside the next ones. ``snakemake --unlock`` is typed where a lock was
left. A copy that is finished is compared, and kills that remain go to a new one. Rows: ``kills/sent``, ``kills/copies``
and, over all copies, ``kills/identical_files``, ``kills/different_files`` (altered, missing or too many),
``kills/temporary_files``, ``kills/false_records`` (a ``job.json`` without its outputs' hashes), ``kills/unlocks`` and
``kills/refused_starts`` (ended with an error, though nobody killed it). ``n`` is the number of kills.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import _project
import _runs

from lbt.artifacts import read_json, sha256
from lbt.pipeline.job import RECORD

ENGINES = {"snakemake": ["snakemake", "--cores", "2"], "dvc": ["dvc", "repro"]}
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
GRACE = 20.0
"""Seconds in which an engine has to end after a signal, and its orphans after it; then all are killed."""

TEMPORARY = re.compile(r"\..*\.[a-z0-9_]{8}(\.\w+)?")
"""The names that lbt.artifacts gives to files that are being written."""

UNITS = {
    "sent": "kills",
    "copies": "copies",
    "identical_files": "files",
    "different_files": "files",
    "temporary_files": "files",
    "false_records": "files",
    "unlocks": "times",
    "refused_starts": "times",
}
"""The rows and their units."""

Hashes = dict[str, str]


def main() -> None:
    """Run the campaign, print the rows, write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 kills")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the times, signals and targets")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--work", type=Path, help="keep the copies in this folder, which must not exist")
    options = parser.parse_args()
    if options.kills < 1:
        parser.error(f"--kills: found {options.kills}; accepted: 1 or more")
    if options.work and options.work.exists():
        parser.error(f"--work: {options.work} exists; accepted: a folder that does not")
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary) / "work"
        rows = campaign(work, 8 if options.quick else options.kills, random.Random(options.seed))
    for row in rows:
        print(f"{row['name']:<28} {row['value']:>5} {row['unit']:<8} n={row['n']}")
    if options.json:
        _runs.write(options.json, rows)


def campaign(work: Path, kills: int, chance: random.Random) -> list[_runs.Result]:
    """Kill ``kills`` times, in as many copies as that takes; the rows."""
    _project.make(work / "fresh")
    undisturbed = Workspace(work / "fresh", work / "undisturbed")
    began = time.monotonic()
    undisturbed.finish()
    span = 2 * (time.monotonic() - began) / min(kills, 20)
    expected, counts = hashes(undisturbed.folder), Counter[str]()
    while counts["sent"] < kills:
        workspace = Workspace(work / "fresh", work / f"killed-{counts['copies']}")
        killed = True
        while killed and counts["sent"] < kills:
            engine = list(ENGINES)[counts["sent"] % len(ENGINES)]
            killed = workspace.disturb(engine, chance.uniform(0.5, span), chance.choice(SIGNALS), chance.random() < 0.5)
            counts["sent"] += killed
        workspace.finish()
        counts += workspace.counts + compare(workspace.folder, expected)
        counts["copies"] += 1
    return [{"name": f"kills/{name}", "value": counts[name], "unit": unit, "n": kills} for name, unit in UNITS.items()]


def hashes(folder: Path) -> Hashes:
    """The hash of every file under ``results/``."""
    files = (path for path in (folder / "results").rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def compare(folder: Path, expected: Hashes) -> Counter[str]:
    """Differences of a finished copy from the undisturbed run, and files left behind in it."""
    found = hashes(folder)
    written = (path for top in ("results", ".lbt") for path in (folder / top).rglob(".*"))
    temporary = {path.relative_to(folder).as_posix() for path in written if TEMPORARY.fullmatch(path.name)}
    different = {name for name in expected.keys() | found.keys() - temporary if expected.get(name) != found.get(name)}
    return Counter(
        identical_files=len(expected.keys() - different),
        different_files=len(different),
        temporary_files=len(temporary),
        false_records=sum(is_false(path) for path in (folder / "results").rglob(RECORD)),
    )


def is_false(record: Path) -> bool:
    """True if an output of the job does not have the hash that its record gives."""
    outputs = read_json(record)["outputs"]
    files = {name: record.with_name(name) for name in outputs}
    return any(not file.is_file() or sha256(file) != outputs[name] for name, file in files.items())


class Workspace:
    """A copy of the project, and the engines that are started and killed in it."""

    def __init__(self, fresh: Path, folder: Path) -> None:
        shutil.copytree(fresh, folder, symlinks=True)
        self.folder = folder
        self.counts = Counter[str]()
        self.orphans = 0
        self.log = folder.with_suffix(".log")

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own; its output goes to the workspace's log."""
        with self.log.open("ab") as log:
            log.write(f"\n$ {' '.join(command)}\n".encode())
            log.flush()
            environment = _project.environment(self.folder)
            return subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def engine(self, name: str) -> subprocess.Popen[bytes]:
        """Start an engine, after ``snakemake --unlock`` if a dead one left its lock."""
        if any(self.folder.glob(".snakemake/locks/*")):
            self.start("snakemake", "--unlock").wait()
            self.counts["unlocks"] += 1
        return self.start(*ENGINES[name])

    def disturb(self, name: str, seconds: float, sent: signal.Signals, alone: bool) -> bool:
        """Start an engine and send it a signal after some seconds; false if it ended before that."""
        process = self.engine(name)
        try:
            self.counts["refused_starts"] += process.wait(seconds) != 0
            return False
        except subprocess.TimeoutExpired:
            whom = name if alone else f"{name} and its jobs"
            print(f"{self.folder.name}: {sent.name} to {whom} after {seconds:.1f} s", flush=True)
        (os.kill if alone else os.killpg)(process.pid, sent)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.orphans = process.pid
        if name == "dvc":  # its Snakemake may live on and hold the lock
            end(self.orphans)
        return True

    def finish(self) -> None:
        """Run Snakemake until it succeeds, and wait for what is left of killed engines.

        Raises:
            SystemExit: it failed twice.
        """
        for _ in range(2):
            if self.engine("snakemake").wait() == 0:
                end(self.orphans)
                return
            self.counts["refused_starts"] += 1
        raise SystemExit(f"{self.log}: snakemake does not finish")


def end(group: int) -> None:
    """Wait until no process is left in a group; kill those that outlast the grace."""
    deadline = time.monotonic() + GRACE
    while group and time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    if group:
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
