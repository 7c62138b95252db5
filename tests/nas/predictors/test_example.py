"""The worked examples of docs/predictors.md, run as a user would: space file, table, command."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lbt.artifacts import read_table
from lbt.cli import cli
from lbt.nas.space import load

PAGE = (Path(__file__).parents[3] / "docs" / "predictors.md").read_text(encoding="utf-8")
SPACES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
MAKE_TABLE = next(code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "write_table" in code)
COMMANDS = re.findall(r"^lbt (predict .*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("number", [0, 1], ids=["edge", "node"])
def test_the_worked_example_runs_as_it_is_written(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my_space.yaml").write_text(SPACES[number])
    assert load("my_space.yaml").spec.operations_on == ["edge", "node"][number]
    exec(compile(MAKE_TABLE, "docs/predictors.md", "exec"), {})
    table = read_table("my.parquet").to_pydict()
    missing = {a for a, value in zip(table["architecture"], table["accuracy"], strict=True) if value is None}
    assert len(missing) > 20
    for command in COMMANDS:
        found = CliRunner().invoke(cli, shlex.split(command), catch_exceptions=False)
        assert found.exit_code == 0, found.output
    scores = read_table("scores.parquet").to_pydict()
    assert missing <= set(scores["architecture"])
    truth = np.array([text.count("conv3x3") for text in scores["architecture"]])
    assert truth[:20].mean() > truth[-20:].mean() + 0.5
