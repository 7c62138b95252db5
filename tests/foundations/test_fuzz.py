"""A few hostile inputs of each kind: none gives a traceback. ``benchmarks/fuzz.py`` tries more."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import fuzz

    yield fuzz
    sys.modules.pop("fuzz")


def test_no_hostile_input_gives_a_traceback(fuzz):
    rows = {row["name"]: row["value"] for row in fuzz.run(5, seed=1)}
    assert {name: count for name, count in rows.items() if name.endswith("tracebacks") and count} == {}
    assert sum(rows.values()) == sum(max(1, round(5 * kind.share)) for kind in fuzz.KINDS.values())


def test_a_reader_that_fails_or_does_not_end_is_seen(fuzz, monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS", 1)

    def endless(_: Path) -> None:
        while True:
            pass

    assert fuzz.judge(endless, Path("x"))[0] == "tracebacks"
    assert fuzz.judge(lambda path: [][1], Path("x"))[0] == "tracebacks"
