"""The page's tables are the committed results, and the benchmarks' bookkeeping goes on where it was."""

import importlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module
    for name in ("_runs", "predictors_page"):
        sys.modules.pop(name, None)


def test_the_pages_tables_are_the_committed_results(module):
    page = module("predictors_page")
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.filled(text, page.read_rows()) == text
    assert all(f"<!-- table {name} -->" in text for name in page.tables(page.read_rows()))


def test_a_killed_benchmark_goes_on_where_it_was(module, tmp_path):
    runs, done = module("_runs"), []

    def job(name, seed):
        return name, seed, lambda: done.append(name) or {"tau": float(seed), "curve": [1.0]}

    path = tmp_path / "runs.jsonl"
    runs.run([job("a", 1)], path)
    results = runs.run([job("a", 1), job("a", 2), job("b", 1)], path)
    assert done == ["a", "a", "b"]  # the first was not run again
    assert runs.read(path) == results
    rows = list(runs.summary(results))
    assert rows[0] == {"name": "a/tau", "value": 1.5, "unit": "1", "n": 2, "std": pytest.approx(0.5**0.5)}
    runs.write(tmp_path / "rows.json", rows)
    assert json.loads((tmp_path / "rows.json").read_text())[1]["name"] == "b/tau"
