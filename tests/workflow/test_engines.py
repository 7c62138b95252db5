"""The acceptance matrix, against the real snakemake and dvc: both build the same, and both know what is left to do."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lbt.pipeline.declaration import read_declarations

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def downstream(stage: str) -> set[str]:
    """``stage`` and every stage that depends on it, as dvc.yaml declares."""
    found = {stage}
    for name, declaration in read_declarations(Path(__file__).parents[2] / "dvc.yaml").items():
        if found & set(declaration.upstream):
            found.add(name)
    return found


def test_snakemake_builds_all_and_leaves_dvc_nothing_to_do(working):
    assert (working.folder / "results/default/report/report.html").is_file()
    assert working.idle()
    assert working.reproduced() == set()


def test_dvc_on_one_core_builds_the_same_and_leaves_snakemake_nothing_to_do(fresh, built, tmp_path):
    other = fresh.copy(tmp_path / "other")
    other.edit("profiles/default/config.yaml", "cores: all", "cores: 1")
    assert other.reproduced() == set(read_declarations(Path(__file__).parents[2] / "dvc.yaml"))
    assert other.idle()
    mine, theirs = other.contents(), built.contents()
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if mine[name] != theirs[name]] == []


def test_nothing_to_do_after_pull(pulled):
    assert pulled.idle()


CHANGES = {
    "param": (lambda p: p.edit("params/default.yaml", "queries: 30", "queries: 31"), "search"),
    "source file": (
        lambda p: p.edit("lbt/pipeline/stages/hardware.py", "from __future__", "# changed\nfrom __future__"),
        "hardware",
    ),
    "datum": (lambda p: next((p.folder / "inputs/mine/dark").glob("*.png")).unlink(), "data"),
}


@pytest.mark.parametrize(
    ("change", "clone"), [("param", "working"), ("param", "pulled"), ("source file", "pulled"), ("datum", "pulled")]
)
def test_a_change_reruns_what_depends_on_it_and_nothing_else(change, clone, request):
    project = request.getfixturevalue(clone)
    make, stage = CHANGES[change]
    make(project)
    expected = downstream(stage)
    if change == "datum":  # one domain of several: only its own jobs, and what reads them
        expected = {"data", "supernet", "report"}
        assert project.planned_rules()["data/job"] == 1
    assert project.planned() == expected
    assert f"{stage}:" in project("dvc", "status").splitlines()
    ran = project.reproduced()
    assert expected <= ran <= downstream(stage)
    assert project.idle()


def test_a_new_recipe_runs_only_its_own_jobs_in_snakemake(working):
    working.edit("params/default.yaml", "recipe: [fp32, int8]", "recipe: [fp32, int8, int4]")
    planned = working.planned_rules()
    assert planned == {"adapt/job": 1, "adapt": 1, "hardware/job": 2, "hardware": 1, "report": 1}


def test_a_new_seed_runs_only_its_own_jobs_in_dvc(working):
    before = {name: (working.folder / name).stat().st_mtime_ns for name in working.contents() if "adapt/mnist" in name}
    working.edit("params/default.yaml", "recipe: [fp32, int8]\n  seed: [0]", "recipe: [fp32, int8]\n  seed: [0, 1]")
    assert working.planned_rules() == {"pretrain/job": 1, "pretrain": 1, "adapt/job": 2, "adapt": 1, "report": 1}
    assert {"pretrain", "adapt", "report"} <= working.reproduced() <= downstream("pretrain")
    after = {name: (working.folder / name).stat().st_mtime_ns for name in working.contents() if "adapt/mnist" in name}
    assert len(after) == 2 * len(before)
    assert {name: after[name] for name in before} == before
    assert working.idle()


def test_the_params_file_that_the_user_names_is_the_one_that_is_planned(working):
    text = (working.folder / "params/default.yaml").read_text()
    (working.folder / "params/mine.yaml").write_text(text)
    plan = working("snakemake", "--dry-run", "--cores", "1", "--configfile", "params/mine.yaml")
    assert "results/mine/report/report.html" in plan
    assert "results/default" not in plan


def test_a_narrower_grid_leaves_nothing_stale_behind(working):
    working("dvc", "exp", "run", "-S", "params/default.yaml:adapt.recipe=int8")
    assert "recipe: int8" in (working.folder / "params/default.yaml").read_text()
    recipes = {path.name for path in working.folder.glob("results/default/adapt/*/*/*") if path.is_dir()}
    assert recipes == {"int8"}
    assert working.idle()


def test_an_altered_artifact_is_made_again(working):
    before = working.contents()
    with (working.folder / "results/default/pretrain/mnist/0/model.safetensors").open("ab") as file:
        file.write(b"x")
    assert working.planned_rules() == {"pretrain/job": 1}
    working("snakemake", "--cores", "2")
    assert working.contents() == before
    assert working.idle()


def test_a_killed_job_leaves_nothing_that_a_rerun_trusts(working):
    before = working.contents()
    working.edit("params/default.yaml", "steps: 4\n  source_steps", "steps: 4000\n  source_steps")
    process = subprocess.Popen(
        ["snakemake", "--cores", "2", "adapt"],
        cwd=working.folder, env=working.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    scratch = working.folder / ".lbt/scratch"
    deadline = time.monotonic() + 120
    while not list(scratch.rglob("*.safetensors")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    assert list(scratch.rglob("*.safetensors")), "no job had got as far as a checkpoint"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    working("snakemake", "--unlock")
    working.edit("params/default.yaml", "steps: 4000\n  source_steps", "steps: 4\n  source_steps")
    assert working.planned_rules().get("adapt/job", 0) >= 1
    working("snakemake", "--cores", "2")
    assert {n: d for n, d in working.contents().items() if d != before.get(n)} == {}
    assert working.idle()


def test_bad_params_stop_before_anything_is_written(fresh, tmp_path):
    project = fresh.copy(tmp_path / "bad")
    project.edit("params/default.yaml", "method: [mean_teacher]", "method: [mean_techer]")
    before = sorted(path for path in project.folder.rglob("*") if ".snakemake" not in path.parts)
    output = project("snakemake", "--cores", "2", fails=True)
    line = next(line for line in output.splitlines() if line.startswith("lbt: "))
    assert "params/default.yaml: adapt.method" in line
    assert "'mean_techer'" in line
    assert "did you mean 'mean_teacher'?" in line
    project("dvc", "repro", fails=True)
    after = sorted(path for path in project.folder.rglob("*") if ".snakemake" not in path.parts)
    ignored = (".dvc", ".git", "__pycache__")
    assert [p for p in after if p not in before and not any(part in ignored for part in p.parts)] == []


def test_lint_and_format(fresh):
    """The one finding that remains is on software packaging: see docs/pipeline.md for its reason."""
    output = fresh("snakemake", "--lint", fails=True)
    findings = {line.strip().strip("*: ") for line in output.splitlines() if line.startswith("    * ")}
    assert findings == {"Specify a conda environment or container for each rule."}
