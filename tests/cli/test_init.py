"""``lbt init``: a workspace for two folders of images, and nothing of a user's is overwritten."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lbt import cli, workspace
from lbt.data.look import look
from lbt.errors import LbtError
from lbt.pipeline.plan import Plan
from lbt.pipeline.preflight import preflight


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Labelled bars, and a field without labels."""
    for n in range(20):
        for folder in (f"bars/{('top', 'bottom')[n % 2]}", "My field!"):
            (tmp_path / "photos" / folder).mkdir(parents=True, exist_ok=True)
            pixels = np.arange(256, dtype=np.uint8).reshape(16, 16) + n
            Image.fromarray(pixels).save(tmp_path / "photos" / folder / f"{n}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


def test_a_workspace_that_runs(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["init", "mine", "--source", "photos/bars", "--target", "photos/My field!"]
    result = CliRunner().invoke(cli.cli, arguments, catch_exceptions=False)
    assert result.stdout.splitlines()[-1] == "next: cd mine; lbt check; snakemake adapt; lbt results"
    monkeypatch.chdir("mine")
    plan = Plan()
    assert plan.jobs["data/bars"].files == ("inputs/bars",)
    assert plan.params.adapt.pair == ["bars-my_field"]
    assert "target_supervised" not in plan.params.adapt.method
    assert (plan.params.pretrain.size, plan.params.pretrain.channels) == (32, 1)
    assert preflight(plan.params) == []
    assert plan.identity()  # every file that a stage depends on is there
    assert Path("Snakefile").read_bytes() == (workspace.PACKAGE.parent / "Snakefile").read_bytes()


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ("params/default.yaml", "dvc.yaml: up to date"),
        ("mine.yaml", "mine.yaml: dvc.yaml does not version results/mine"),
    ],
)
def test_nothing_is_left_to_declare(photos: Path, monkeypatch: pytest.MonkeyPatch, params: str, told: str) -> None:
    arguments = ["init", "mine", "--source", "photos/bars", "--target", "photos/My field!", "--params", params]
    made = CliRunner().invoke(cli.cli, arguments, catch_exceptions=False)
    assert "lbt declare" not in made.stdout
    monkeypatch.chdir("mine")
    found = CliRunner().invoke(cli.cli, ["declare", "--params", params], catch_exceptions=False)
    assert found.exit_code == 0
    assert found.stdout.startswith(told)
    assert found.stdout.count("\n") == 1


@pytest.mark.slow
@pytest.mark.workflow
def test_snakemake_plans_it(photos: Path) -> None:
    workspace.init(Path("mine"), photos / "bars", photos / "My field!")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(workspace.PACKAGE.parent)}
    told = subprocess.run(
        ["snakemake", "-n", "adapt"], cwd="mine", env=environment, capture_output=True, text=True, check=True
    )
    assert "adapt bars-my_field/mean_teacher/int8/0: not made yet" in told.stdout


def test_what_is_there_stays(photos: Path) -> None:
    Path("mine").mkdir()
    Path("mine/Snakefile").write_text("mine")
    made = workspace.init(Path("mine"), photos / "bars", photos / "My field!")
    assert made.kept == [Path("Snakefile")]
    assert Path("mine/Snakefile").read_text() == "mine"
    with pytest.raises(LbtError, match=r"params/default\.yaml: is there already; remove it, or choose another name"):
        workspace.init(Path("mine"), photos / "bars", photos / "My field!")


def test_images_inside_the_workspace_are_used_where_they_are(photos: Path) -> None:
    Path("mine").mkdir()
    photos.rename("mine/inputs")
    made = workspace.init(Path("mine"), Path("mine/inputs/bars"), Path("mine/inputs/My field!"))
    assert Path("inputs/bars") not in made.written
    assert "path: inputs/My field!" in Path("mine/params/default.yaml").read_text()


def test_images_that_do_not_go_together_write_nothing(photos: Path) -> None:
    with pytest.raises(LbtError, match="My field!: no image has a label, but the network learns from the source's"):
        workspace.init(Path("mine"), photos / "My field!", photos / "bars")
    (photos / "My field!" / "labels.csv").write_text("file,label\n0.png,cross\n1.png,Top\n")
    words = r"My field! has classes that .*bars lacks, Top, cross \(did you mean 'top'\?\).*: none is in common"
    with pytest.raises(LbtError, match=words):
        workspace.init(Path("mine"), photos / "bars", photos / "My field!")
    for n in range(9):
        (photos / "bars" / f"{n}.raw").touch()
    with pytest.raises(LbtError, match=r"bars: 9 of 29 files would be skipped .*; max_skipped allows more than 0\.1"):
        workspace.init(Path("mine"), photos / "bars", photos / "My field!")
    assert not Path("mine").exists()


def test_what_is_odd_is_told(photos: Path) -> None:
    (photos / "My field!" / "labels.csv").write_text("file,label\n0.png,cross\n1.png,top\n")
    (photos / "bars" / "notes.txt").touch()
    result = CliRunner().invoke(cli.cli, ["init", "mine", "--source", "photos/bars", "--target", "photos/My field!"])
    assert result.exit_code == 0
    assert "warning: skipped 1 file, no image by its suffix .txt: notes.txt" in result.stderr
    assert "photos/My field! has classes that photos/bars lacks, cross: unknown to the network" in result.stderr
    assert "photos/My field! lacks 1 class, bottom" in result.stderr


def test_labels_in_a_file_of_their_own_come_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`e.npy` with `e_labels.npy`, and an idx pair: the links keep the names by which the labels are found."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (40, 12, 12), np.uint8)
    np.save("e.npy", images)
    np.save("e_labels.npy", np.arange(40) % 2)
    np.save("x_other.npy", images)
    np.save("y_other.npy", np.arange(40) % 2)
    workspace.init(Path("mine"), Path("e.npy"), Path("x_other.npy"))
    monkeypatch.chdir("mine")
    domains = Plan().params.data.domains
    assert {name: domain.path for name, domain in domains.items()} == {
        "e": "inputs/e/e.npy",
        "x_other": "inputs/x_other/x_other.npy",
    }
    assert look(Path("inputs/e/e.npy")).classes == look(Path("inputs/x_other/x_other.npy")).classes == ("0", "1")
    assert "target_supervised" in Plan().params.adapt.method


def test_keys_of_a_domain_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for n in range(40):
        Path("named").mkdir(exist_ok=True)
        pixels = np.full((12, 12), n, np.uint8) + np.arange(12, dtype=np.uint8)
        Image.fromarray(pixels).save(f"named/{('cup', 'mug')[n % 2]}_{n % 3}_{n}.png")
    shutil.copytree("named", "other")
    with pytest.raises(LbtError, match=r"no image has a label.*files' names \(key name"):
        workspace.init(Path("mine"), Path("named"), Path("other"))
    arguments = [
        "init",
        "mine",
        "--source",
        "named",
        "--target",
        "other",
        "--source-set",
        "name={label}_{user}_{index}",
    ]
    result = CliRunner().invoke(cli.cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    monkeypatch.chdir("mine")
    plan = Plan()
    assert plan.params.data.domains["named"].name == "{label}_{user}_{index}"
    assert preflight(plan.params) == []


@pytest.mark.parametrize("text", ["layout", "layout=", "=user"])
def test_a_key_without_a_value_is_one_line(photos: Path, text: str) -> None:
    arguments = ["init", "mine", "--source", "photos/bars", "--target", "photos/bars", "--source-set", text]
    with pytest.raises(LbtError, match=r"--source-set: found .*; accepted: KEY=VALUE"):
        CliRunner().invoke(cli.cli, arguments, catch_exceptions=False)
