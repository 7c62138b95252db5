"""``lbt tune`` chooses by what needs no label, and compares with the oracle where there are labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbt import cli
from lbt.adapt.params import AdaptParams
from lbt.errors import LbtError
from lbt.options import read_tried
from lbt.report.tables import Stat
from lbt.tune import Score, Setting, chosen, job, settings, told_choice

PARAMS = """
adapt: {pair: bars-field, method: [source_only, adabn, tent], recipe: [int8], steps: 2, source_steps: 2, batch: 16}
"""


def score(name, gain, refused=0, accuracy=None):
    stats = [None if value is None else Stat.of([value]) for value in (gain, accuracy)]
    return Score(Setting(name), stats[0], refused, stats[1])


def test_the_candidates_are_methods_that_can_be_judged_with_the_options_that_concern_them():
    tried = {"mean_teacher.weight": [3, 10], "lr": [0.01, 0.1]}
    found = settings(["source_only", "adabn", "mean_teacher", "target_supervised"], tried)
    assert [str(one) for one in found] == [
        *(f"adabn lr={lr}" for lr in (0.01, 0.1)),
        *(f"mean_teacher mean_teacher.weight={w} lr={lr}" for w in (3, 10) for lr in (0.01, 0.1)),
    ]
    assert len(settings(["cdan"], {"adversarial.weight": [1, 2]})) == 2  # the section of the method it derives from


def test_one_candidate_is_no_choice():
    with pytest.raises(LbtError, match=r"1 candidate \(adabn\).*at least two"):
        settings(["adabn", "source_only"], {"mean_teacher.weight": [1, 2]})


def test_values_are_read_as_in_yaml():
    assert read_tried(["lr=0.1, 1e-3", "mean_teacher.teacher_augmentation=null,affine"]) == {
        "lr": [0.1, "1e-3"],
        "mean_teacher.teacher_augmentation": [None, "affine"],
    }
    for wrong in ("lr", "=3", "lr=1,,2", "lr=[1"):
        with pytest.raises(LbtError, match="--set: found"):
            read_tried([wrong])


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("mean_teacher.wieght", 3, r"mean_teacher.weight"),
        ("nothing.at.all", 3, "--set: unknown option"),
        ("lr", -1, r"--set: lr"),
    ],
)
def test_a_wrong_option_is_one_line(key, value, words):
    base = AdaptParams().job("a-b", "adabn", "fp32", 0)
    with pytest.raises(LbtError, match=words):
        job(base, Setting("mean_teacher", ((key, value),)), "--set")


def test_the_largest_gain_that_was_never_refused_is_chosen():
    scores = [score("a", 1.0, accuracy=90), score("b", 5.0, refused=1, accuracy=95), score("c", 2.0, accuracy=80)]
    assert str(chosen(scores).setting) == "c"
    text = told_choice(scores, 1)
    assert "chosen without a label: c" in text
    assert "sees the test labels: b; the choice costs 15.0 points" in text
    assert chosen([score("b", 5.0, refused=1)]) is None
    assert "keep the start" in told_choice([score("b", 5.0, refused=1)], 1)


@pytest.mark.parametrize("labels", [True, False])
def test_a_target_with_and_without_labels(checkout: Path, bars, labels, capsys):
    (checkout / "params" / "field.yaml").write_text(bars(60, labels) + PARAMS)
    with pytest.raises(SystemExit):
        cli.main(["tune", "--params", "params/field.yaml"])
    assert "lbt tune needs results/field/pretrain" in capsys.readouterr().err
    for stage in ("data", "pretrain"):
        cli.main([stage, "--params", "params/field.yaml"])
    cli.main(["tune", "--params", "params/field.yaml", "--set", "tent.lr=0.001,0.01"])
    first = capsys.readouterr().out
    made = {path: path.stat().st_mtime_ns for path in Path(".lbt/tune").rglob("metrics.json")}
    assert len(made) == 3
    assert ("not measured" in first) != labels
    cli.main(["tune", "--params", "params/field.yaml", "--set", "tent.lr=0.001,0.01"])
    assert capsys.readouterr().out in first
    assert {path: path.stat().st_mtime_ns for path in made} == made
