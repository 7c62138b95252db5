"""Fingerprints: what changes one, and what does not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lbt.errors import LbtError
from lbt.pipeline import Plan
from lbt.pipeline.declare import declare_inputs
from lbt.pipeline.execute import execute
from lbt.pipeline.job import HashCache

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """The parts of the tree that a plan reads."""
    for name in ("lbt", "workflow", "params", "inputs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    shutil.copy(ROOT / "tests/workflow/tiny.yaml", tmp_path / "params/default.yaml")
    (tmp_path / "inputs/mine").mkdir()
    (tmp_path / "inputs/mine/a.png").write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    declare_inputs("params/default.yaml")
    return tmp_path


def fingerprints() -> dict[str, str]:
    plan = Plan()
    return {key: plan.fingerprint(job) for key, job in plan.jobs.items()}


def changed(before: dict[str, str]) -> set[str]:
    after = fingerprints()
    return {key for key in after if after[key] != before.get(key)}


def test_every_stage_ends_with_its_summary_and_needs_come_first(workspace):
    plan = Plan()
    seen: set[str] = set()
    for key, job in plan.jobs.items():
        assert {need.key for need in job.needs.values()} <= seen
        seen.add(key)
    ends = [plan.stage(stage)[-1].name for stage in plan.declarations if stage != "choose"]  # no section, no job
    assert ends == ["summary"] * 8 + ["."]


def test_a_new_seed_changes_no_other_job(workspace):
    before = fingerprints()
    path = workspace / "params/default.yaml"
    path.write_text(
        path.read_text().replace("recipe: [fp32, int8]\n  seed: [0]", "recipe: [fp32, int8]\n  seed: [0, 1]")
    )
    new = {f"adapt/mnist-optdigits/mean_teacher/{recipe}/1" for recipe in ("fp32", "int8")}
    assert changed(before) == new | {"pretrain/mnist/1", "pretrain/summary", "adapt/summary", "report/."}


def test_a_recipe_changes_only_the_jobs_that_use_it(workspace):
    before = fingerprints()
    with (workspace / "params/recipes/int8.yaml").open("a") as file:
        file.write("\n# changed\n")
    keys = changed(before)
    assert all("int8" in key or key.split("/")[1] in ("summary", ".") for key in keys)
    assert {key.split("/")[0] for key in keys} == {"adapt", "edge", "hardware", "report"}


def test_a_users_image_changes_only_its_domain(workspace):
    before = fingerprints()
    (workspace / "inputs/mine/a.png").write_bytes(b"2")
    assert changed(before) == {"data/mine", "data/summary", "supernet/mine/0", "supernet/summary", "report/."}


def test_byte_code_changes_nothing(workspace):
    before = fingerprints()
    (workspace / "lbt/data/__pycache__").mkdir()
    (workspace / "lbt/data/__pycache__/stage.pyc").write_bytes(b"x")
    assert changed(before) == set()


def test_a_job_may_depend_only_on_what_dvc_yaml_declares(workspace):
    path = workspace / "dvc.yaml"
    path.write_text(path.read_text().replace("          - supernet\n", "          - search\n"))
    with pytest.raises(LbtError, match=r"stages.supernet.params: add supernet"):
        _ = Plan().jobs


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("pair: mnist-optdigits", "pair: mnist-optdigit", ["adapt.pair.0", "'optdigit'", "did you mean 'optdigits'"]),
        ("recipe: [fp32, int8]", "recipe: [fp32, int88]", ["adapt.recipe.1", "'int88'", "did you mean 'int8'"]),
        ("board: zcu102", f"board: {'x' * 5000}", ["hardware.board", "too long"]),
        ("board: zcu102", "board: zcu103", ["hardware.board", "'zcu103'", "did you mean 'zcu102'"]),
        ("domain: mine", "domain: mnits", ["supernet.domain", "'mnits'", "did you mean 'mnist'"]),
        ("encoder: [mlp]", "encoder: [mpl]", ["predictor.encoder", "'mpl'", "did you mean 'mlp'"]),
        ("strategy: [random]", "strategy: [randon]", ["search.strategy", "'randon'", "did you mean 'random'"]),
        ("path: inputs/mine", "path: ../mine", ["data.domains.mine.path", "workspace"]),
        ("steps: 6", "steps: six", ["pretrain.steps", "'six'", "integer"]),
        ("steps: 6", "steps: 0", ["pretrain.steps", "found 0", "1 or more, or weights"]),
    ],
)
def test_a_mistake_in_the_params_is_one_line(workspace, old, new, expected):
    path = workspace / "params/default.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(LbtError) as error:
        _ = Plan().jobs
    text = str(error.value)
    assert text.startswith("params/default.yaml: ")
    assert "\n" not in text
    for part in expected:
        assert part in text


def test_prune_removes_what_the_grid_no_longer_has(workspace):
    plan = Plan()
    kept = plan.folder(plan.job("adapt", "mnist-optdigits/mean_teacher/int8/0"))
    gone = plan.root / "adapt/mnist-optdigits/mean_teacher/int4/0"
    for folder in (kept, gone):
        folder.mkdir(parents=True)
        (folder / "job.json").write_text("{}")
    assert plan.prune(["adapt"]) == [gone]
    assert kept.is_dir()
    assert not gone.parent.exists()


def test_an_input_that_dvc_does_not_know_is_refused_with_the_command_that_declares_it(workspace):
    path = workspace / "params/default.yaml"
    path.write_text(
        path.read_text().replace(
            "optdigits: {train", "other: {kind: folder, path: inputs/other}\n    optdigits: {train"
        )
    )
    with pytest.raises(LbtError, match=r"stages.data.deps: add inputs/other.*lbt declare"):
        _ = Plan().jobs
    before = (workspace / "dvc.yaml").read_text()
    assert declare_inputs("params/default.yaml") == ["dvc.yaml: stages.data.deps: inputs/other added"]
    assert (workspace / "dvc.yaml").read_text() == before.replace(
        "      - inputs/mine\n", "      - inputs/mine\n      - inputs/other\n"
    )
    assert declare_inputs("params/default.yaml") == []


def test_files_that_no_engine_counts_change_nothing(workspace):
    before = fingerprints()
    for name in (".DS_Store", ".thumbs/1.png", "a.png~"):
        (workspace / "inputs/mine" / name).parent.mkdir(exist_ok=True)
        (workspace / "inputs/mine" / name).write_bytes(b"x")
    (workspace / "inputs/unnamed.png").write_bytes(b"x")
    assert changed(before) == set()


@pytest.mark.parametrize(
    ("old", "new", "job"),
    [
        ("recipe: [fp32, int8]", "recipe: [int8, other/int8.yaml]", "adapt/mnist-optdigits/mean_teacher/int8/0"),
        ("mine: {kind", "summary: {kind: folder, path: inputs/mine}\n    mine: {kind", "data/summary"),
        ("mine: {kind", "nasbench201: {kind: folder, path: inputs/mine}\n    mine: {kind", "data/nasbench201"),
    ],
)
def test_two_jobs_of_one_name_are_refused(workspace, old, new, job):
    (workspace / "other").mkdir()
    shutil.copy(workspace / "params/recipes/int4.yaml", workspace / "other/int8.yaml")
    path = workspace / "params/default.yaml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(LbtError, match=f"two jobs would be called {job}"):
        _ = Plan(check_files=False).jobs


def test_a_run_belongs_to_one_params_file(workspace):
    (workspace / "elsewhere").mkdir()
    for name in ("default", "mine"):
        shutil.copy(workspace / "params/default.yaml", workspace / f"elsewhere/{name}.yaml")
    with pytest.raises(
        LbtError, match=r"elsewhere/default.yaml: results/default holds the results of params/default.yaml"
    ):
        Plan("elsewhere/default.yaml")
    Plan(workspace / "params/default.yaml")
    Plan("elsewhere/mine.yaml").claim()
    Plan("elsewhere/mine.yaml")
    shutil.copy(workspace / "params/default.yaml", workspace / "mine.yaml")
    with pytest.raises(LbtError, match=r"mine.yaml: results/mine holds the results of elsewhere/mine.yaml"):
        Plan("mine.yaml")
    (workspace / "elsewhere/mine.yaml").unlink()
    Plan("mine.yaml")


def test_a_byte_flipped_in_place_is_seen_though_its_time_is_put_back(tmp_path):
    path, cache = tmp_path / "file", HashCache(tmp_path / "hashes.json")
    path.write_bytes(b"abc")
    before, times = cache(path), path.stat()
    cache.save()
    with path.open("r+b") as file:
        file.write(b"x")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert HashCache(tmp_path / "hashes.json")(path) != before


def test_verify_trusts_nothing(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    cache = HashCache(tmp_path / "hashes.json")
    true = cache(path)
    cache._known[str(path)][1] = "0" * 64
    cache._dirty = True
    cache.save()
    assert HashCache(tmp_path / "hashes.json")(path) == "0" * 64
    assert HashCache(tmp_path / "hashes.json", trust=False)(path) == true


def test_results_of_the_other_mode_are_not_fresh(workspace):
    before = fingerprints()
    path = workspace / "params/default.yaml"
    path.write_text(path.read_text().replace("reproducible: true", "reproducible: false"))
    keys = changed(before)
    assert {key for key in before if key not in keys} == set()


def test_hardware_costs_what_was_adapted(workspace):
    jobs = Plan().jobs
    for recipe in ("fp32", "int8"):
        need = jobs[f"hardware/network/{recipe}"].needs["network"]
        assert need.stage == "adapt"
        assert need.name.split("/")[2] == recipe


@pytest.mark.parametrize(
    ("path", "sealed"), [("lbt/data/stage.py", False), ("inputs/mine/a.png", False), ("params/default.yaml", True)]
)
def test_a_job_is_not_sealed_if_what_it_reads_changed_while_it_ran(workspace, path, sealed, monkeypatch):
    plan = Plan()
    job = plan.job("data", "mine")

    def run(job, paths):
        for name in job.made:
            paths.out(name).write_bytes(b"made")
        with (workspace / path).open("a") as file:
            file.write("\n# changed\n")
        return {}

    monkeypatch.setattr("lbt.pipeline.stages.data.run", run)
    if sealed:
        execute(plan, job)
    else:
        with pytest.raises(LbtError, match="data/mine: its code or the files that it reads changed while it ran"):
            execute(plan, job)
    assert (plan.folder(job) / "job.json").exists() == sealed
