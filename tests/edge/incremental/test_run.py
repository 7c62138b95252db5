"""The command: any domain, resumable, one-line errors."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lbt.artifacts import read_table, write_images
from lbt.cli import cli
from lbt.edge import read_deployed
from lbt.edge.incremental import loop
from lbt.edge.incremental.run import one
from lbt.edge.incremental.tasks import Tasks, read_tasks
from lbt.errors import LbtError

from .conftest import bars, job

QUICK = ["--channels", "1", "--size", "12", "--pretrain-steps", "4", "--source-steps", "1", "--batch", "16"]


@pytest.fixture
def tables(tmp_path):
    for number, name in enumerate(("light", "dark")):
        write_images(tmp_path / f"{name}.parquet", bars(60, number, 80 * number))
    return tmp_path


def command(*arguments: str):
    return CliRunner().invoke(cli, ["incremental", *arguments], catch_exceptions=True)


def test_domains_arrive_and_a_finished_run_is_found_again(tables):
    names = ",".join(str(tables / f"{name}.parquet") for name in ("light", "dark"))
    arguments = ["--domains", names, "--out", str(tables / "out"), *QUICK, "--budget", "4kB", "--seeds", "2"]
    first = command(*arguments)
    assert first.exit_code == 0, first.output
    assert "2 tasks: " in first.output
    assert "over 2 seeds" in first.output
    (path,) = (tables / "out").glob("replay-int8-0-*.json")
    found, stamp = json.loads(path.read_text()), path.stat().st_mtime_ns
    assert [len(row) for row in found["matrix"]] == [1, 2]
    assert found["method_bytes"] <= 4003
    assert read_deployed(path.with_suffix(".safetensors"))(bars_input()).shape == (3, 3)
    table = read_table(tables / "out/incremental.parquet").to_pylist()
    assert [row["seed"] for row in table] == [0, 1]
    assert table[0]["accuracy"] == found["accuracy"]
    assert command(*arguments).stdout == first.stdout
    assert path.stat().st_mtime_ns == stamp


def bars_input():
    from lbt.data.inputs import to_input

    return to_input(bars(3, 5).pixels)


def test_classes_of_a_source_arrive_in_groups(tables):
    tasks = read_tasks([str(tables / "light.parquet")], 1, 12, 2, 10)
    assert [task.name.rpartition("/")[2] for task in tasks] == ["top,bottom", "left"]
    assert [len(task.train) for task in tasks] == [10, 10]
    assert set(tasks[1].test.labels.tolist()) == {2}


def test_the_stream_is_each_image_once(tasks):
    stream = Tasks(tasks, 8, 0)
    seen = [stream.batch(step) for step in range(len(stream))]
    assert sum(len(labels) for _, labels in seen) == 60
    assert [stream.place(step)[0] for step in range(len(stream))] == [0] * 5 + [1] * 3
    assert (seen[4][1] < 2).all()
    assert (seen[5][1] == 2).all()
    assert not (Tasks(tasks, 8, 1).batch(0)[0] == seen[0][0]).all()


@pytest.mark.parametrize("method", ["replay", "lwf"])
def test_a_killed_run_ends_with_the_same_scores_and_weights(tasks, tmp_path, monkeypatch, method):
    chosen, identity = job(method, "int8", {"budget": "2kB"} if method == "replay" else {}), {"job": method}
    whole = one(chosen, tasks, tmp_path / "whole", identity)
    real, calls = loop.Tasks.batch, []

    def batch(self, step):
        calls.append(step)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return real(self, step)

    monkeypatch.setattr(loop.Tasks, "batch", batch)
    with pytest.raises(KeyboardInterrupt):
        one(chosen, tasks, tmp_path / "killed", identity)
    assert one(chosen, tasks, tmp_path / "killed", identity) == whole
    assert calls[7] == 6  # went on from the checkpoint
    weights = [(tmp_path / f"{name}.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]
    assert not (tmp_path / "killed").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "found neither; accepted: --source DOMAIN or --domains FIRST,SECOND"),
        (["--source", "mnits"], "mnist"),
        (["--domains", "mnist,mnist"], "'mnist' is there twice"),
        (["--source", "mnist", "--method", "reply"], "replay"),
        (["--source", "mnist", "--method", "finetune", "--budget", "1kB"], "budget"),
        (["--source", "mnist", "--budget", "1 acre"], "such as 64kB"),
        (["--source", "mnist", "--set", "policy"], "KEY=VALUE"),
        (["--source", "mnist", "--recipe", "int9"], "int8"),
        (["--source", "optdigits", "--channels", "1"], "tasks: found 1"),
        (["--source", "mnist", "--classes-per-task", "0"], "classes_per_task"),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, told):
    result = command("--out", str(tmp_path / "out"), *arguments)
    assert isinstance(result.exception, LbtError), result.exception
    assert told in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "out").exists()
