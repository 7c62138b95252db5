"""The benchmark's bookkeeping: which jobs come first, and what the rows say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lbt.params import load_params

ROOT = Path(__file__).parents[2]


@pytest.fixture
def adaptation(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import adaptation

    yield adaptation
    sys.modules.pop("adaptation")


def test_the_most_telling_jobs_come_first(adaptation):
    grid = load_params(ROOT / "params/digits.yaml").adapt
    jobs = [adaptation.cell(job) for job in sorted(grid.jobs(), key=adaptation.worth(grid))]
    first = jobs[: len(adaptation.FIRST) * 2 * len(grid.pair)]
    assert {job["method"] for job in first} == set(adaptation.FIRST)
    assert {job["recipe"] for job in first} == {"fp32", "int8"}
    assert {job["seed"] for job in first} == {grid.seed[0]}
    assert {job["pair"] for job in first} == set(grid.pair)
    assert len(jobs) == len(list(grid.jobs()))


def test_rows_by_hand(adaptation):
    def job(method, recipe, seed, accuracy):
        kept = {"collapsed": 0, "memory/total_bytes": 2**20}
        return {"pair": "a-b", "method": method, "recipe": recipe, "seed": seed, "target_accuracy": accuracy, **kept}

    found = [job("source_only", "fp32", seed, 60.0) for seed in (2, 3)]
    found += [job("target_supervised", "fp32", seed, 100.0) for seed in (2, 3)]
    found += [job("mean_teacher", "fp32", 2, 90.0), job("mean_teacher", "fp32", 3, 92.0)]
    found += [job("mean_teacher", "int8", 2, 88.0), job("mean_teacher", "int8", 3, 94.0)]
    rows = {row["name"]: row for row in adaptation.rows(found)}
    closed = rows["int8/a-b/gap_closed"]
    assert (closed["value"], closed["n"], closed["unit"]) == (77.5, 2, "%")
    assert closed["std"] == pytest.approx(15 / 2**0.5)
    assert rows["int8/a-b/minus_fp32"]["value"] == 0
    assert rows["int8/a-b/minus_fp32"]["std"] == pytest.approx(4 / 2**0.5)
    assert rows["fp32/a-b/source_only/target_accuracy"]["value"] == 60


def test_a_row_is_missing_where_its_bounds_are(adaptation):
    alone = {"pair": "a-b", "method": "adabn", "recipe": "int8", "seed": 2, "target_accuracy": 50.0, "collapsed": 0}
    names = {row["name"] for row in adaptation.rows([{**alone, "memory/total_bytes": 1}])}
    assert names == {f"int8/a-b/adabn/{what}" for what in ("target_accuracy", "collapsed", "memory")}
