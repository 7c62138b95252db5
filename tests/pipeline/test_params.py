"""The params files that ship are valid, and what is generated from the typed configuration is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbt.params import Params, load_params
from lbt.schema import describe, generated

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", sorted((ROOT / "params").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_params_are_valid(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    load_params(path)


def test_every_key_is_described():
    assert [line.key for line in describe(Params) if not line.text] == []


def test_generated_files_are_up_to_date(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert [path for path, text in generated().items() if path.read_text(encoding="utf-8") != text] == []


def test_no_params_at_all_is_a_valid_run(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("{}")
    assert load_params(path) == Params()
