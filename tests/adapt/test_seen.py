"""The traces of a job's training: curve, explanation, and the accuracy of a teacher on the source."""

from __future__ import annotations

import pytest
import torch

from lbt.adapt.explained import POINTS, points
from lbt.artifacts import read_table, read_tensors


def test_the_curve_has_the_documented_columns(bench):
    bench.run()
    curve = read_table(bench.outputs("job").curve).to_pydict()
    networks = [f"{name}_{what}" for name in ("student", "teacher") for what in ("target_validation", "class_entropy")]
    assert {"step", "source_loss", "consistency", "class_balance", "mask_rate", *networks} == set(curve)
    assert curve["step"] == [2, 4, 6]
    assert all(0 <= value <= 1 for name in ("mask_rate", "teacher_class_entropy") for value in curve[name])


@pytest.mark.parametrize("method", ["mean_teacher", "source_only"])
def test_a_quantized_job_explains_itself_as_it_trains(bench, method):
    bench.run(recipe="int8", method=method)
    table = read_table(bench.outputs("job").explain).to_pydict()
    total = 6 if method == "mean_teacher" else 4
    assert sorted(set(table["step"])) == sorted(points(total))
    assert set(table["role"]) >= {"W", "A", "E", "G"}
    cells = list(zip(table["step"], table["layer"], table["role"], strict=True))
    assert len(cells) == len(set(cells)), "one row per step, layer and role"
    assert all(2 <= levels <= 256 for levels in table["levels"])
    # The network trains, so the same layer's weights are explained differently later.
    first, last = (
        [sqnr for sqnr, step, role in zip(table["sqnr"], table["step"], table["role"], strict=True)
         if role == "W" and step == when]
        for when in (1, total)
    )  # fmt: skip
    assert first != last


def test_looking_does_not_change_the_training(bench, monkeypatch):
    looked = bench.run("a", "int8")
    monkeypatch.setattr("lbt.adapt.loop.points", lambda total: set())
    assert bench.run("b", "int8") == looked
    student = [read_tensors(bench.outputs(name).student)[0] for name in "ab"]
    assert all(torch.equal(student[0][name], student[1][name]) for name in student[0])


def test_a_float_job_has_nothing_to_explain(bench):
    bench.run("float", "fp32")
    bench.run("low", "int8")
    float32, low = (read_table(bench.outputs(name).explain) for name in ("float", "low"))
    assert float32.num_rows == 0
    assert float32.schema.equals(low.schema)


def test_points_are_few_and_within_the_training():
    assert points(0) == set()
    assert points(1) == {1}
    for total in (2, 3, 4, 60, 401):
        assert {1, total} <= points(total) <= set(range(1, total + 1))
        assert len(points(total)) == min(total, POINTS)


@pytest.mark.parametrize("recipe", ["fp32", "int8"])
def test_a_teacher_keeps_what_it_can_do_on_the_source(bench, recipe):
    # at half of the bench's rate the student keeps the source on every processor
    metrics = bench.run(recipe=recipe, steps=60, lr=0.01, mean_teacher={"ema": 0.8})
    assert metrics["teacher/source_accuracy"] > 70  # with statistics that nobody gathered: two thirds
    teacher, student = (read_tensors(getattr(bench.outputs("job"), who))[0] for who in ("teacher", "student"))
    means = [name for name in teacher if name.endswith("running_mean@source")]
    assert means
    for name in means:
        assert not torch.equal(teacher[name], teacher[name.replace("@source", "@target")])
        gap = (teacher[name] - student[name]).norm() / student[name].norm()
        assert 0 < gap < 0.5, "an average of the student's statistics follows them"


@pytest.mark.parametrize(
    ("statistics", "sets", "common"),
    [("separate", 2, False), ("domain", 2, True), ("network", 1, False), ("shared", 1, True)],
)
def test_whose_statistics(bench, statistics, sets, common):
    bench.run(statistics=statistics)
    teacher, student = (read_tensors(getattr(bench.outputs("job"), who))[0] for who in ("teacher", "student"))
    own = [name for name in teacher if "running_mean@" in name]
    assert len({name.split("@")[1] for name in own}) == sets
    assert all(torch.equal(teacher[name], student[name]) for name in own) == common
