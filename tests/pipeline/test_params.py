"""The params files that ship are valid, and what is generated from the typed configuration is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbt.data.params import DomainSpec
from lbt.hardware.boards import Board
from lbt.hardware.processor import Processor
from lbt.params import Params, load_params
from lbt.schema import BOARDS, PAGE, REQUIRED, describe, generated

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", sorted((ROOT / "params").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_params_are_valid(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    load_params(path)


@pytest.mark.parametrize("model", [Params, Board, Processor])
def test_every_key_is_described(model):
    assert [line.key for line in describe(model) if not line.text or not line.accepted] == []


@pytest.mark.parametrize(
    ("model", "page", "inside"),
    [(Board, BOARDS, ""), (Processor, BOARDS, ""), (DomainSpec, PAGE, "data.domains.NAME.")],
)
def test_a_page_has_every_key_of_a_file(model, page, inside):
    text, lines = generated()[page], list(describe(model))
    assert {line.key.partition(".")[0] for line in lines} == set(model.model_fields)
    assert [line.key for line in lines if f"\n| `{inside}{line.key}` | {line.accepted} |" not in text] == []


def test_keys_of_a_board_say_type_range_and_default():
    found = {line.key: (line.accepted, line.default) for line in describe(Board)}
    assert found["lut"] == ("integer > 0, ≤ 100,000,000", REQUIRED)
    assert found["target"] == ("xc7, xcup, ecp5", REQUIRED)
    assert found["bandwidth"] == ("number ≥ 0.0001, ≤ 4,000", REQUIRED)
    assert found["usable.dsp"] == ("number > 0, ≤ 1", "`0.8`")
    found = {line.key: line.accepted for line in describe(Params)}
    assert found["data.domains.NAME.channels"] == "1, 3 or null"
    assert found["hardware.lanes"] == "auto or integer ≥ 1, ≤ 1,024"
    assert found["adapt.seed"] == "list of integer ≥ 0, ≤ 4,294,967,295"
    assert found["adapt.guard"] == "true, false"


def test_generated_files_are_up_to_date(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert [path for path, text in generated().items() if path.read_text(encoding="utf-8") != text] == []


def test_no_params_at_all_is_a_valid_run(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("{}")
    assert load_params(path) == Params()
