"""The page of the edge stage: its tables are those of the committed rows, and these follow from the committed runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def test_the_page_shows_the_numbers() -> None:
    import edge_page

    text = edge_page.PAGE.read_text(encoding="utf-8")
    assert edge_page.filled(text, edge_page.read_rows()) == text


def test_the_rows_follow_from_the_runs() -> None:
    import _runs
    import edge

    rows = json.loads((ROOT / "docs/results/edge.json").read_text())
    assert edge.rows(_runs.read(ROOT / "docs/results/edge_runs.jsonl")) == rows


def test_an_interval_by_hand() -> None:
    import edge

    row = edge.paired("x", [1.0, 2.0, 3.0])
    assert row["value"] == 2.0
    assert row["interval"] == pytest.approx(4.303 * 1.0 / 3**0.5, rel=1e-3)
    assert "interval" not in edge.paired("x", [1.0])
