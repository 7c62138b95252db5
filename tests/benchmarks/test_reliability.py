"""The campaign of kills counts what it should, and the page shows the committed results."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

from lbt.pipeline.job import write_record

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module
    for name in ("kills", "reliability_page", "_runs"):
        sys.modules.pop(name, None)


def job(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    write_record(folder, tuple(files), {})


def test_a_copy_is_compared_file_by_file(script, tmp_path):
    kills = script("kills")
    for copy in ("one", "two"):
        job(tmp_path / copy / "results/run/a", model="1", curve="2")
        job(tmp_path / copy / "results/run/b", model="3")
    expected = kills.hashes(tmp_path / "one")
    assert +kills.compare(tmp_path / "two", expected) == {"identical_files": 5}
    (tmp_path / "two/results/run/a/model").write_text("other")  # a false record and a different file
    (tmp_path / "two/results/run/b/model").unlink()  # another of each
    (tmp_path / "two/results/run/b/extra").write_text("")
    (tmp_path / "two/results/run/b/.model.x_93ab0z.safetensors").write_text("")
    (tmp_path / "two/.lbt").mkdir()
    (tmp_path / "two/.lbt/.hashes.0123abcd.json").write_text("")
    found = {"identical_files": 3, "different_files": 3, "temporary_files": 2, "false_records": 2}
    assert +kills.compare(tmp_path / "two", expected) == found


def test_the_page_shows_the_committed_results(script):
    page = script("reliability_page")
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.filled(text, page.RESULTS) == text, "run python benchmarks/reliability_page.py"


def test_tables_by_hand(script, tmp_path):
    page = script("reliability_page")
    for campaign, rows in {
        "kills": {"sent": 1200, "different_files": 0},
        "fuzz": {"params/taken": 2, "params/refused": 6, "params/tracebacks": 1},
    }.items():
        named = [{"name": f"{campaign}/{name}", "value": value} for name, value in rows.items()]
        (tmp_path / f"{campaign}.json").write_text(json.dumps(named))
    text = page.filled("<!-- table kills --><!-- end --><!-- table fuzz --><!-- end -->", tmp_path)
    assert "| kills | 1,200 |\n| files altered, missing or too many | 0 |" in text
    assert "| params | 9 | 2 | 6 | 1 |" in text
