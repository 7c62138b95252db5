"""The README's tables are those of a run, and nothing else of the page is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from lbt.cli import cli
from lbt.errors import LbtError
from lbt.report.readme import END, START, filled, tables
from lbt.report.tables import markdown

ROOT = Path(__file__).parents[2]
SPEED = markdown(["board", "images/s"], [["zcu102", "8"]])
REGRET = markdown(["strategy", "regret"], [["random", "0.62 ± 0.11"]])
RESULTS = f"Speed\n\n{SPEED}\n\nSearch: regret\n\n{REGRET}\n"


def page(speed: str, regret: str) -> str:
    return (
        f"# A page\n\n**Speed** (one board):\n\n{START}\n\n{speed}\n\n{END}\n\n| a | table |\n\n"
        f"**Search: regret**:\n\n{START}\n{regret}{END}\n\nThe end.\n"
    )


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/small/report"
    folder.mkdir(parents=True)
    (folder / "results.md").write_text(RESULTS)
    (tmp_path / "README.md").write_text(page("old", ""))
    return tmp_path


def readme(*options: str) -> None:
    CliRunner().invoke(
        cli, ["readme", "--params", "small.yaml", *options], standalone_mode=False, catch_exceptions=False
    )


def test_the_tables_of_the_run_and_nothing_else(workspace):
    readme()
    assert (workspace / "README.md").read_text() == page(SPEED, f"\n{REGRET}\n\n")
    readme("--check")


def test_check_writes_nothing(workspace):
    with pytest.raises(LbtError, match=r"^README\.md: its tables are not those of .*results\.md; run `lbt readme`$"):
        readme("--check")
    assert (workspace / "README.md").read_text() == page("old", "")


def test_a_page_or_a_run_that_is_missing_is_one_line(workspace):
    (workspace / "README.md").unlink()
    with pytest.raises(LbtError, match=r"README\.md: no such file"):
        readme()
    (workspace / "results/small/report/results.md").write_text("nothing\n")
    (workspace / "README.md").write_text(page("", ""))
    with pytest.raises(LbtError, match=r"results\.md: no table"):
        readme()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("**Speed**", "**Sped**", "unknown table 'Sped'.*did you mean 'Speed'"),
        ("**Speed**", "Speed", "expected tables of the form"),
        (END, "", "expected tables of the form"),
        (START, "", "expected tables of the form"),
    ],
)
def test_a_wrong_page_is_one_line(old, new, message):
    with pytest.raises(LbtError, match=message):
        filled(page("", "").replace(old, new, 1), {"Speed": SPEED, "Search: regret": REGRET})


def test_every_table_of_the_readme_is_marked():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line for line in filled(text, _Any()).splitlines() if line.startswith("|")]
    assert all(line.count("|") == 4 for line in rows), "only the table of the stages is written by hand"


class _Any(dict[str, str]):
    """An empty table for any title."""

    def __contains__(self, title: object) -> bool:
        return True

    def __missing__(self, title: str) -> str:
        return ""


def test_tables_by_title(tmp_path):
    (tmp_path / "results.md").write_text(RESULTS)
    assert tables(tmp_path / "results.md") == {"Speed": SPEED, "Search: regret": REGRET}
