"""The same bits on other processors: a short job of every stage, here and on emulated ones, and their hashes compared.

A processor is emulated by ``qemu-x86_64`` (Debian: ``apt-get install qemu-user``), which runs this Python as it is. It
has other instructions than this machine's, another vendor and other cache sizes, on which libraries choose their code.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

from lbt import reproducible
from lbt.errors import LbtError
from lbt.pipeline.declaration import CODE, DVC_YAML
from lbt.pipeline.execute import execute
from lbt.pipeline.job import RECORD
from lbt.pipeline.plan import Plan

EMULATOR = "qemu-x86_64"
NATIVE = "native"
PREFIX = "lbt-reproduce-"
PARAMS = "params/reproduce.yaml"
PROCESSORS = (NATIVE, "Haswell", "EPYC")
"""The machine's own, and two models of the emulator's with AVX2, one of each vendor."""

Hashes = dict[str, str]
"""Stage → SHA-256 over the names and bytes of everything that it made."""


def reproduce(processors: Sequence[str] = PROCESSORS, params_file: str = PARAMS) -> Iterator[tuple[str, str, str]]:
    """Run every job of ``params_file`` on each processor; yield ``(processor, stage, hash)`` as stages end.

    The first processor is alone, since it compiles loops for all; the others run beside each other.

    Raises:
        LbtError: the emulator is missing or does not know a processor, or a job failed there.
    """
    if any(name != NATIVE for name in processors) and shutil.which(EMULATOR) is None:
        raise LbtError(f"{EMULATOR} is not installed; Debian and Ubuntu have it in the package qemu-user")
    first, *others = processors
    with workspace() as folder, tempfile.TemporaryDirectory(prefix=PREFIX) as beside:
        for stage, digest in _run(first, folder, params_file):
            yield first, stage, digest
        for made in ("results", "logs", ".lbt"):  # numba's machine code stays: it is the same in this mode
            shutil.rmtree(folder / made, ignore_errors=True)
        copies = {name: shutil.copytree(folder, Path(beside) / name) for name in others}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found: Queue[tuple[str, str, str]] = Queue()

            def tell(name: str) -> None:
                for stage, digest in _run(name, copies[name], params_file):
                    found.put((name, stage, digest))

            pending = {pool.submit(tell, name) for name in others}
            while pending or not found.empty():
                with contextlib.suppress(Empty):
                    yield found.get(timeout=1)
                for ended in [future for future in pending if future.done()]:
                    pending.remove(ended)
                    ended.result()


def _run(processor: str, folder: Path, params_file: str) -> Iterator[tuple[str, str]]:
    """Run :func:`main` in a process of its own; yield what it prints, a stage and its hash."""
    emulator = [] if processor == NATIVE else [EMULATOR, "-cpu", processor]
    command = [*emulator, sys.executable, "-m", "lbt.pipeline.reproduce", params_file]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                stage, digest = line.split()
                yield stage, digest
        errors.seek(0)
        words = errors.read().strip().splitlines()
    if process.returncode:
        raise LbtError(f"{processor}: {words[-1] if words else f'exit code {process.returncode}'}")


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder with a copy of this workspace's code and params, and without its results; removed afterwards."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        for entry in (*CODE, "params"):
            shutil.copytree(entry, Path(name) / entry, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        shutil.copy(DVC_YAML, name)
        yield Path(name)


def main(params_file: str) -> None:
    """Run every job here, in this process; print each stage's hash."""
    reproducible.enter()
    plan = Plan(params_file)
    for stage in plan.declarations:
        with contextlib.redirect_stdout(sys.stderr):  # what jobs say is not for the reader of the hashes
            for job in plan.stage(stage):
                execute(plan, job)
        print(stage, stage_hash(plan, stage))


def stage_hash(plan: Plan, stage: str) -> str:
    """SHA-256 over the names and bytes of a stage's outputs and records, as DVC would version them."""
    total = hashlib.sha256()
    for job in plan.stage(stage):
        for name in sorted((*job.made, RECORD)):
            total.update(f"{job.key}/{name} {plan.digest(plan.folder(job) / name)}\n".encode())
    return total.hexdigest()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except LbtError as error:
        sys.exit(f"lbt: {error}")
