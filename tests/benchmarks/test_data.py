"""The numbers on docs/data.md: how they are measured, and that the page shows the committed ones."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from lbt.data import DomainSpec, load_domain

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module
    for name in ("data_memory", "data_page", "reliability_page", "fuzz", "_fuzz_images", "_pages"):
        sys.modules.pop(name, None)


def test_the_page_shows_the_committed_results(script):
    page = script("data_page")
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.filled(text, page.RESULTS) == text, "run python benchmarks/data_page.py"


def test_no_image_gave_a_traceback_and_each_kind_was_taken_and_refused(script):
    page = script("data_page")
    rows = page.read(page.RESULTS / "fuzz.json")
    for kind in page.IMAGES:
        assert rows[f"fuzz/{kind}/tracebacks"] == 0
        assert rows[f"fuzz/{kind}/taken"] > 0
        assert rows[f"fuzz/{kind}/refused"] > 0


def test_a_table_by_hand(script, tmp_path):
    rows = {"npy/prepare/peak": 141.2, "npy/prepare/bytes_an_image": 297.7}
    rows |= {"npy/images": 200_000, "npy/side": 32, "npy/pixels": 586.0}
    named = [{"name": f"data_memory/{name}", "value": value} for name, value in rows.items()]
    (tmp_path / "data_memory.json").write_text(json.dumps(named))
    text = script("data_page").filled("<!-- table memory --><!-- end -->", tmp_path)
    assert "| 200,000 of 32×32, colour | 586 | `.npy` | the data stage | 141 | 298 |" in text


@pytest.mark.parametrize("kind", ["npy", "npz", "mat", "h5", "libsvm", "parquet", "folder"])
def test_the_images_that_are_measured(script, tmp_path, monkeypatch, kind):
    if kind == "h5":
        pytest.importorskip("h5py")
    memory = script("data_memory")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(memory, "UNIQUE", 20)
    path = memory.KINDS[kind](50)
    splits = load_domain(DomainSpec(kind="folder" if kind == "folder" else "arrays", path=path))
    assert sum(len(images) for _, images in splits.items()) == 50
    assert splits.train.classes == tuple("0123456789")
    made = memory.pixels(50)[..., :1].clip(1) if kind == "libsvm" else memory.pixels(50)
    known = {image.tobytes() for image in made}
    assert {image.tobytes() for _, images in splits.items() for image in images.pixels} == known


@pytest.mark.slow
def test_the_peak_of_a_process(script, tmp_path, monkeypatch):
    memory = script("data_memory")
    monkeypatch.chdir(tmp_path)
    held = tmp_path / "holds.py"
    held.write_text("import time\nx = b'1' * (64 << 20)\ntime.sleep(0.3)\n")
    monkeypatch.setattr(memory, "__file__", str(held))
    assert 64 << 20 < memory.peak("prepare", "x") < 90 << 20
    assert np.isclose(memory.row("a", 1.26, "MiB")["value"], 1.3)


def test_memory_of_other_kinds_stays(script):
    memory = script("data_memory")
    old = [memory.row(name, 1, "MiB") for name in ("npy/prepare/peak", "photos/prepare/peak", "mat/old/peak")]
    names = [row["name"] for row in memory.joined(old, [memory.row("mat/prepare/peak", 2, "MiB")])]
    assert names == [f"data_memory/{kind}/prepare/peak" for kind in ("npy", "mat", "photos")]


def test_rows_of_other_kinds_stay(script):
    fuzz = script("fuzz")
    old = [{"name": "fuzz/params/taken", "value": 1}, {"name": "fuzz/idx/taken", "value": 2}]
    new = [{"name": "fuzz/wav/taken", "value": 3}, {"name": "fuzz/idx/taken", "value": 4}]
    assert [(row["name"], row["value"]) for row in fuzz.joined(old, new)] == [
        ("fuzz/params/taken", 1),
        ("fuzz/wav/taken", 3),
        ("fuzz/idx/taken", 4),
    ]
