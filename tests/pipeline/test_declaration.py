"""dvc.yaml declares what the code really imports: neither engine can miss a change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lbt.errors import LbtError
from lbt.pipeline.declaration import read_declarations
from lbt.pipeline.declare import declare_code

ROOT = Path(__file__).resolve().parents[2]
DECLARATIONS = read_declarations(ROOT / "dvc.yaml")


def test_the_declared_code_is_what_the_stages_import(tmp_path, monkeypatch):
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / "lbt").symlink_to(ROOT / "lbt")
    monkeypatch.chdir(tmp_path)
    assert declare_code() == []
    assert (tmp_path / "dvc.yaml").read_text() == (ROOT / "dvc.yaml").read_text()


def test_code_that_is_missing_and_code_that_is_too_much_are_mended(tmp_path, monkeypatch):
    text = (ROOT / "dvc.yaml").read_text()
    wrong = text.replace("      - lbt/errors.py\n", "      - lbt/export.py\n", 1)
    (tmp_path / "dvc.yaml").write_text(wrong)
    (tmp_path / "lbt").symlink_to(ROOT / "lbt")
    monkeypatch.chdir(tmp_path)
    assert declare_code() == ["dvc.yaml: code of data: 1 added, 1 removed"]
    assert (tmp_path / "dvc.yaml").read_text() == text


@pytest.mark.parametrize("stage", DECLARATIONS)
def test_declared_code_exists(stage):
    assert [path for path in DECLARATIONS[stage].code if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("stage", DECLARATIONS)
def test_a_stage_declares_its_rules(stage):
    assert f"workflow/rules/{stage}.smk" in DECLARATIONS[stage].code


@pytest.mark.parametrize("outs", ["[{}]", "3", "[[]]", "[results/other]"])
def test_outputs_that_are_none_are_one_line(outs, tmp_path):
    path = tmp_path / "dvc.yaml"
    path.write_text(f"stages: {{data: {{cmd: x, outs: {outs}}}}}")
    with pytest.raises(LbtError, match=r"dvc.yaml"):
        read_declarations(path)
