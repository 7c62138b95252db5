"""The pages of hardware and of the whole loop show their results."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_hardware_page_shows_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import hardware_page

    text = hardware_page.PAGE.read_text(encoding="utf-8")
    assert text.count("<!-- table ") == 5
    assert hardware_page.filled(text) == text, "run python benchmarks/hardware_page.py"


def test_the_page_of_the_loop_shows_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import loop_page

    text = loop_page.PAGE.read_text(encoding="utf-8")
    assert text.count("<!-- table ") == 1
    assert loop_page.filled(text) == text, "run python benchmarks/loop_page.py"
