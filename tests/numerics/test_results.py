"""The committed results of benchmarks/recipes.py: the pages show them, the runs give them, one can be remade."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])


def runs() -> list[dict]:
    return [json.loads(line) for line in (RESULTS / "recipes_runs.jsonl").read_text().splitlines()]


def test_the_pages_show_the_numbers() -> None:
    import recipes_page

    rows = recipes_page.read_rows()
    for page in recipes_page.PAGES:
        text = page.read_text(encoding="utf-8")
        assert "<!-- table" in text
        assert recipes_page.filled(text, rows) == text, f"run python benchmarks/recipes_page.py for {page.name}"


def test_the_rows_are_means_over_the_runs() -> None:
    rows = {row["name"]: row for row in json.loads((RESULTS / "recipes.json").read_text())}
    by_name: dict[str, dict[int, float]] = {}
    for run in runs():
        by_name.setdefault(f"{run['task']}/{run['label']}", {})[run["seed"]] = run["accuracy"]
    assert set(by_name) == {name.rsplit("/", 1)[0] for name in rows}
    for name, found in by_name.items():
        reference = by_name[f"{name.split('/')[0]}/fp32"]
        assert set(found) <= set(reference)
        minus = [found[seed] - reference[seed] for seed in found]
        assert rows[f"{name}/accuracy"]["value"] == pytest.approx(np.mean(list(found.values())), abs=1e-3)
        assert rows[f"{name}/minus_fp32"]["value"] == pytest.approx(np.mean(minus), abs=1e-3)
        assert rows[f"{name}/minus_fp32"]["n"] == len(found)


def test_every_recipe_and_every_norm_was_run() -> None:
    from lbt.nn.norms import NORMS
    from lbt.recipe import Recipe

    found = {(run["task"], run["label"]) for run in runs()}
    for task in ("digits", "blended"):
        assert {label for t, label in found if t == task and "/" not in label} == set(Recipe.names())
    assert {("blended", f"ablation/norm/{norm}") for norm in NORMS.names()} <= found


@pytest.mark.slow
def test_one_run_can_be_remade() -> None:
    import recipes

    from lbt.recipe import Recipe

    run = next(r for r in runs() if (r["task"], r["label"], r["seed"]) == ("digits", "int8", 0))
    found = recipes.accuracy(Recipe.load("int8"), recipes.Task("mnist"), 0, run["steps"])
    # what is in float (norms, loss) may differ in the last bit on another machine, and training amplifies that
    assert found == pytest.approx(run["accuracy"], abs=2.0)
