"""Trouble around a run: edits while it runs, a lock that is gone, DVC in trouble, odd names, forced stages."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def lines(output: str) -> list[str]:
    """The lines that lbt itself wrote."""
    return [line for line in output.splitlines() if line.startswith("lbt: ")]


def test_an_edit_while_a_stage_runs_is_not_recorded_as_what_it_was_made_with(working):
    working.edit("params/default.yaml", "queries: 30", "queries: 31")
    process = subprocess.Popen(
        ["snakemake", "search"],
        cwd=working.folder, env=working.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    folder = working.folder / "results/default/search/random/0"
    deadline = time.monotonic() + 120
    for there in (False, True):  # Snakemake removes the job's outputs; once this one is back, the params have been read
        while (folder / "curve.parquet").is_file() != there and time.monotonic() < deadline:
            time.sleep(0.002)
    working.edit("params/default.yaml", "queries: 31", "queries: 32")
    process.communicate()
    assert "search:" in working("dvc", "status").splitlines()
    assert working.planned_rules()["search/job"] == 1
    working("snakemake")
    assert working.idle()


@pytest.mark.parametrize("loss", ["removed", "of another run"])
def test_a_lost_lock_is_written_again_though_nothing_is_to_be_done(loss, working):
    lock = working.folder / "dvc.lock"
    before = lock.read_bytes()
    if loss == "removed":
        lock.unlink()
    else:
        lock.write_bytes(before.replace(b"md5: ", b"md5: 0"))
    assert "up to date" not in working("dvc", "status")
    assert "Nothing to be done" in working("snakemake")
    assert lock.read_bytes() == before
    assert working.idle()


def test_a_dry_run_records_nothing(working):
    (working.folder / "dvc.lock").unlink()
    working("snakemake", "--dry-run")
    assert not (working.folder / "dvc.lock").exists()


def test_trouble_with_dvc_is_a_warning_after_good_work(working, tmp_path):
    results = working.folder / "results"
    shutil.move(results, tmp_path / "disk")
    results.symlink_to(tmp_path / "disk")
    working.edit("params/default.yaml", "queries: 30", "queries: 31")
    output = working("snakemake")
    assert "Traceback" not in output
    (warning,) = lines(output)
    assert warning.startswith("lbt: warning: the results are complete, but dvc.lock does not have them: ")
    assert "run `dvc commit --force " in warning
    assert working.planned_rules() == {}


def test_names_with_spaces_and_letters_of_any_alphabet(fresh, tmp_path):
    project = fresh.copy(tmp_path / "eine Kopie")
    shutil.copy(project.folder / "params/default.yaml", project.folder / "params/größe $HOME 'x'.yaml")
    project("snakemake", "data", "--configfile", "params/größe $HOME 'x'.yaml")
    assert (project.folder / "results/größe $HOME 'x'/data/summary/metrics.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--config", "steps=3"], "lbt: --config: found steps; "),
        (["--configfile", "params/default.yaml", "params/digits.yaml"], "lbt: --configfile: found 2 files; "),
        (["--configfile", "elsewhere/default.yaml"], "lbt: "),
    ],
)
def test_what_would_be_ignored_is_refused(arguments, expected, fresh, tmp_path):
    project = fresh.copy(tmp_path / "project")
    (project.folder / "elsewhere").mkdir()
    shutil.copy(project.folder / "params/default.yaml", project.folder / "elsewhere/default.yaml")
    (line,) = lines(project("snakemake", "--dry-run", *arguments, fails=True))
    assert line.startswith(expected)


@pytest.mark.parametrize(
    "command", [("snakemake", "--force", "adapt"), ("dvc", "repro", "--force", "--single-item", "search")]
)
def test_force_reruns_the_jobs_of_the_stage(command, working):
    records = sorted((working.folder / "results/default" / command[-1]).rglob("job.json"))
    before = {path: path.stat().st_mtime_ns for path in records}
    content = working.contents()
    working(*command)
    assert [path for path in records if path.stat().st_mtime_ns == before[path]] == []
    assert working.contents() == content
    assert working.idle()


def test_inputs_that_no_params_name_are_nobodys_dependency(working):
    (working.folder / "inputs/holiday.jpg").write_bytes(b"x")
    (working.folder / "inputs/mine/.DS_Store").write_bytes(b"x")
    assert working.idle()


def test_what_is_versioned_holds_nothing_of_the_host(built):
    import platform

    import torch

    versions = (platform.python_version(), torch.__version__)
    for path in Path(built.folder / "results/default").rglob("job.json"):
        assert not any(version in path.read_text() for version in versions)
    assert list(Path(built.folder / "logs/default").rglob("*.host.json"))
