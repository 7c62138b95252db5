"""The committed results of benchmarks/modules.py: the page shows them, the totals follow, one network is remade."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])


def test_the_page_shows_the_numbers() -> None:
    import modules_page

    text = modules_page.PAGE.read_text(encoding="utf-8")
    assert "<!-- architectures -->" in text
    assert modules_page.filled(text, modules_page.read_rows()) == text, "run python benchmarks/modules_page.py"


def test_the_totals_follow_from_the_rows() -> None:
    import modules
    import modules_page

    rows = modules_page.read_rows()
    each = [row for name, row in rows.items() if name.count("/") > 2]
    for total in modules.totals(each, rows["modules/tracebacks"]["value"]):
        assert rows[total["name"]]["value"] == total["value"]
    assert len(modules_page.networks(rows)) >= 25
    for name in ("tracebacks", "unnamed_share", "onnx_wrong", "fp32_differs"):
        assert rows[f"modules/{name}"]["value"] == 0, name


def test_a_network_is_remade() -> None:
    import modules
    import modules_page
    from _zoo import zoo

    rows = modules_page.read_rows()
    torch.manual_seed(0)
    ((name, make),) = zoo("torch/lstm_tagger")
    for row in modules.measure(name, *make()):
        assert row["value"] == pytest.approx(rows[row["name"]]["value"], abs=1e-3), row["name"]
        assert row["note"] == rows[row["name"]]["note"]
