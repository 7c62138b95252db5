"""A small project of its own for the engines: this tree's files, the tiny params, a few images of a user's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import _project


class Project:
    """A workspace, and the commands that a user would type in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = _project.environment(folder)

    def __call__(self, *command: str, fails: bool = False) -> str:
        """Run a command; its output, both streams. It has to succeed, or to fail where ``fails``."""
        result = subprocess.run(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        logs = "".join(f"\n--- {log}\n{log.read_text()}" for log in self.folder.glob("logs/**/*.log"))
        assert (result.returncode != 0) == fails, f"{command}\n{result.stdout}{logs if not fails else ''}"
        return result.stdout

    def copy(self, folder: Path) -> Project:
        """The same workspace elsewhere, with all that has been made in it."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace the one occurrence of ``old`` in a file."""
        file = self.folder / path
        text = file.read_text()
        assert text.count(old) == 1, f"{path}: {text.count(old)} times {old!r}"
        file.write_text(text.replace(old, new))

    def planned(self) -> set[str]:
        """The stages of which Snakemake would run a job."""
        return {name.split("/")[0] for name in self.planned_rules()}

    def planned_rules(self) -> dict[str, int]:
        """The rules that Snakemake would run, as stage or stage/job, and how often."""
        output = self("snakemake", "--cores", "2", "--dry-run")
        if "Nothing to be done" in output:
            return {}
        table = output.split("Job stats:")[1].split("\n\n")[0].splitlines()[3:]
        counts = {name: int(count) for name, count in (line.split() for line in table)}
        return {
            n.replace("_job", "/job").replace("_table", "/table"): c
            for n, c in counts.items()
            if n not in ("all", "total")
        }

    def reproduced(self) -> set[str]:
        """Let DVC reproduce everything; the stages whose command it ran."""
        output = self("dvc", "repro")
        return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}

    def idle(self) -> bool:
        """True if both engines have nothing to do."""
        return not self.planned_rules() and "up to date" in self("dvc", "status")

    def contents(self) -> dict[str, bytes]:
        """Every artifact's bytes."""
        files = (file for file in self.folder.glob("results/**/*") if file.is_file())
        return {file.relative_to(self.folder).as_posix(): file.read_bytes() for file in files}


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of this session that all of its worker processes share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def fresh(shared: Path) -> Project:
    """A fresh clone with the tiny params; nothing has been made in it. Tests copy it."""
    return made_once(shared / "fresh", _project.make)


@pytest.fixture(scope="session")
def built(fresh: Project, shared: Path) -> Project:
    """The clone after ``snakemake``, its results pushed to a remote and its lock file committed. Tests copy it."""

    def build(folder: Path) -> None:
        project = fresh.copy(folder)
        project("snakemake", "--cores", "2")
        project("dvc", "remote", "add", "--default", "local", str(shared / "remote"))
        project("dvc", "push")
        project("git", "add", "--all")
        project("git", "commit", "--quiet", "--message", "built")

    return made_once(shared / "built", build)


def made_once(folder: Path, make: Callable[[Path], None]) -> Project:
    """The project in ``folder``, made by the first worker that asks for it."""
    with FileLock(f"{folder}.lock"):
        done = folder.with_name(f"{folder.name}.done")
        if not done.exists():
            make(folder)
            done.touch()
    return Project(folder)


@pytest.fixture
def pulled(built: Project, tmp_path: Path) -> Project:
    """A fresh clone of ``built``, after ``dvc pull``: no engine has a history here."""
    subprocess.run(["git", "clone", "--quiet", str(built.folder), str(tmp_path / "pulled")], check=True)
    project = Project(tmp_path / "pulled")
    project("dvc", "pull")
    return project


@pytest.fixture
def working(built: Project, tmp_path: Path) -> Project:
    """The clone in which everything was made."""
    return built.copy(tmp_path / "working")
