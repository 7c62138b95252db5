"""A small project of its own for the engines: this tree's files, the tiny params, a few images of a user's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
        """Whether both engines have nothing to do."""
        return not self.planned_rules() and "up to date" in self("dvc", "status")

    def contents(self) -> dict[str, bytes]:
        """Every artifact's bytes."""
        files = (file for file in self.folder.glob("results/**/*") if file.is_file())
        return {file.relative_to(self.folder).as_posix(): file.read_bytes() for file in files}


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A fresh clone with the tiny params; nothing has been made in it."""
    folder = tmp_path_factory.mktemp("fresh") / "project"
    _project.make(folder)
    return Project(folder)


@pytest.fixture(scope="session")
def built(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The clone after ``snakemake``, its results pushed to a remote and its lock file committed."""
    project = fresh.copy(tmp_path_factory.mktemp("built") / "project")
    project("snakemake", "--cores", "2")
    project("dvc", "remote", "add", "--default", "local", str(tmp_path_factory.mktemp("remote")))
    project("dvc", "push")
    project("git", "add", "--all")
    project("git", "commit", "--quiet", "--message", "built")
    return project


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
