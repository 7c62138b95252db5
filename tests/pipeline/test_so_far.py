"""``lbt results`` before there is a report: the tables of the stages that have ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from lbt.artifacts import write_table
from lbt.cli import cli
from lbt.errors import LbtError


def test_what_has_ended_is_shown_without_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("results/mine/adapt/summary")
    folder.mkdir(parents=True)
    rows = {"job": ["a-b/adabn/int8/0", "a-b/adabn/int4/0"], "group": ["x", "y"]}
    write_table(folder / "table.parquet", {**rows, "target_accuracy": [91.25, None], "memory/kept_bytes": [1, 2]})
    shown = CliRunner().invoke(cli, ["results", "--params", "params/mine.yaml"], catch_exceptions=False).stdout
    assert shown.startswith("adapt (results/mine/adapt/summary/table.parquet)\n\n| job ")
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in shown.splitlines() if line.startswith("| a-b")
    ]
    assert cells == [["a-b/adabn/int8/0", "91.25"], ["a-b/adabn/int4/0", "not measured"]]
    assert "No report yet: `snakemake --configfile params/mine.yaml` makes it" in shown


def test_nothing_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results/mine/adapt").mkdir(parents=True)
    with pytest.raises(LbtError, match=r"results/mine/report/results\.md: no such file; make it with `snakemake"):
        CliRunner().invoke(cli, ["results", "--params", "params/mine.yaml"], catch_exceptions=False)
