"""Files of finished pieces of work that a killed run left unfinished, or that were damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbt.artifacts import write_json
from lbt.hardware.rtl.synthesis import COLUMNS, _usable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def runs(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import _runs

    return _runs


def test_an_unfinished_line_is_run_again(runs, tmp_path, capsys):
    path = tmp_path / "runs.jsonl"
    jobs = [(name, 0, lambda: {"value": 1.0}) for name in "ab"]
    whole = runs.run(jobs, path)
    path.write_bytes(path.read_bytes()[:-9])
    assert runs.run(jobs, path) == whole
    assert "line 2 ignored" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"lut": 1}', "\0"])
def test_a_damaged_unit_is_synthesised_again(tmp_path, capsys, text):
    path = tmp_path / "unit.json"
    assert not _usable(path)
    path.write_text(text)
    assert not _usable(path)
    assert capsys.readouterr().err.count("\n") == 1
    write_json(path, dict.fromkeys(COLUMNS, 1))
    assert _usable(path)
