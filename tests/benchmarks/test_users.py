"""The table of users: its rows follow from the committed runs, and a run's arithmetic is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def test_the_rows_follow_from_the_runs() -> None:
    import _runs
    import users

    rows = json.loads((ROOT / "docs/results/users.json").read_text())
    assert users.rows(_runs.read(ROOT / "docs/results/users_runs.jsonl")) == rows


def test_rows_by_hand() -> None:
    import users

    one = {"before": [80.0, 90.0], "rolled_back": [0, 0], "operations": [0.5, 0.5], "step_operations": [0.4, 0.4],
           "share_of_backbone": [0.04, 0.05], "peak_bytes": [100, 100], "seed": 0}  # fmt: skip
    full = {**one, "job": "fonts/full/fp32", "after": [95.0, 99.0], "peak_bytes": [400, 400]}
    mine = {**one, "job": "fonts/package/int8", "after": [94.0, 88.0]}
    rows = {row["name"]: row for row in users.rows([full, mine])}
    assert rows["users/fonts/package/int8/accuracy"]["value"] == 91.0
    assert rows["users/fonts/package/int8/minus_full"]["value"] == -6.0
    assert rows["users/fonts/worst_drop"]["value"] == 2.0
    assert rows["users/fonts/package/int8/peak"]["value"] == 0.25
    assert rows["users/fonts/source/int8/accuracy"]["value"] == 85.0
    assert rows["package/fonts/share_of_backbone"]["value"] == pytest.approx(0.045)
    assert "users/fonts/full/fp32/minus_full" not in rows


def test_backbones_of_other_steps_do_not_mix() -> None:
    import users

    one = {"before": [80.0], "rolled_back": [0], "operations": [0.5], "step_operations": [0.4], "asked": [20],
           "share_of_backbone": [0.04], "peak_bytes": [100], "seed": 0, "adapted": [90.0]}  # fmt: skip
    old = {**one, "job": "fonts/package/int8", "after": [70.0]}
    new = {**one, "job": "fonts/package/int8@800", "after": [90.0]}
    rows = {row["name"]: row for row in users.rows([old, new])}
    assert rows["users/fonts/package/int8/accuracy"]["value"] == 90.0
    assert rows["users/fonts/package/int8/points_per_label"]["value"] == 0.5
    assert rows["users/fonts/package/int8/given_up"]["value"] == 0.0


def test_jobs_begin_with_the_bound_and_the_default() -> None:
    import users

    names = [name for name, _, _ in users.jobs(False, 2)]
    first = ["fonts/full/fp32", "fonts/package/int8", "styles/full/fp32", "styles/package/int8"]
    assert names[:4] == [f"{name}@{users.STEPS}" for name in first]
    assert len({(name, seed) for name, seed, _ in users.jobs(False, 2)}) == len(names)
