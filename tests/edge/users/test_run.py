"""The command: leave one user out, resumable, with files that a device can use."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lbt.artifacts import Images, read_table, write_images
from lbt.cli import cli
from lbt.edge.read import read_backbone
from lbt.edge.users import protocol
from lbt.edge.users.package import Resident, read_package
from lbt.edge.users.protocol import folds
from lbt.errors import LbtError

QUICK = ["--channels", "1", "--size", "12", "--pretrain-steps", "4", "--source-steps", "2", "--steps", "4"]
QUICK += ["--batch", "8", "--rounds", "2", "--labels", "2", "--folds", "2"]


def write(people, folder):
    """The users as a table of images."""
    columns = {"user": people.users.tolist(), "time": people.times.tolist()}
    path = folder / "all.parquet"
    write_images(path, Images(people.images.pixels, people.images.labels, people.images.classes, columns))
    return path


@pytest.fixture
def table(people, tmp_path):
    return write(people, tmp_path)


def lbt(*arguments: object):
    return CliRunner().invoke(cli, ["personalise", *map(str, arguments)], catch_exceptions=False)


def test_a_run_leaves_packages_that_fit_their_backbones_and_is_resumable(table, tmp_path, monkeypatch):
    out = tmp_path / "out"
    first = lbt(table, "--out", out, *QUICK, "--guard", "false")
    assert first.exit_code == 0, first.output
    assert "3 users:" in first.output
    scores = read_table(out / "users.parquet").to_pylist()
    assert [row["user"] for row in scores] == ["../eve", "bob", "ann"]
    assert sorted(path.name for path in tmp_path.rglob("*eve*")) == ["0000-_eve.json", "0000-_eve.safetensors"]
    for fold, stem in ((0, "0000-_eve"), (1, "0001-ann")):
        network, architecture, features, recipe = read_backbone(out / f"backbone-{fold}.safetensors")
        assert (recipe, architecture.size, len(features)) == ("int8", 12, 128)
        resident = Resident(network, (1, 12, 12))
        resident.apply(read_package(out / f"{stem}.safetensors"))
    with pytest.raises(LbtError, match="made for the backbone"):
        resident.apply(read_package(out / "0000-_eve.safetensors"))
    monkeypatch.setattr(protocol, "score", None)  # nothing is computed again
    assert lbt(table, "--out", out, *QUICK, "--guard", "false").stdout == first.stdout


@pytest.mark.slow
def test_a_given_backbone_serves_a_new_user(table, tmp_path, monkeypatch):
    assert lbt(table, "--out", tmp_path / "out", *QUICK, "--user", "ann").exit_code == 0
    backbone = tmp_path / "out/backbone-1.safetensors"
    assert not (tmp_path / "out/backbone-0.safetensors").exists()
    found = lbt(table, "--out", tmp_path / "new", *QUICK, "--backbone", backbone, "--user", "bob")
    assert found.exit_code == 0
    assert "bob:" in found.output
    score = json.loads(next((tmp_path / "new").glob("*-bob.json")).read_text())
    assert (score["rolled_back"] == 0) == bool(list((tmp_path / "new").glob("*-bob.safetensors")))
    with pytest.raises(LbtError, match=r"a backbone under the recipe 'int8'; found --recipe 'int4'"):
        lbt(table, "--out", tmp_path / "new", *QUICK, "--backbone", backbone, "--recipe", "int4")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--train", "nroms"],
            r"lbt personalise: train: unknown choice of what to train 'nroms'.*did you mean 'norms'",
        ),
        (["--masks", "tailor"], r"masks: unknown criterion 'tailor'.*did you mean 'taylor'"),
        (["--operations", "2"], r"operations: found 2; input should be less than or equal to 1"),
        (["--questions", "margins"], r"questions: unknown criterion of questions 'margins'.*did you mean 'margin'"),
        (["--user", "anne"], r"unknown user 'anne'.*did you mean 'ann'"),
        (["--folds", "9"], r"folds: found 9 for 3 users; accepted: 2 to the number of users"),
    ],
)
def test_mistakes_are_one_line(table, tmp_path, arguments, told):
    with pytest.raises(LbtError, match=told):
        lbt(table, "--out", tmp_path / "out", *arguments)


def test_folds_leave_everybody_out_once():
    assert list(folds(["a", "b", "c"], None)) == [["a"], ["b"], ["c"]]
    assert list(folds(["a", "b", "c"], 2)) == [["a", "c"], ["b"]]
    with pytest.raises(LbtError, match="folds: found 1 for 1 users"):
        list(folds(["a"], None))
