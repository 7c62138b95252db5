"""Rows of the benchmark of incremental learning, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def test_rows_by_hand() -> None:
    import incremental

    one = {"forgetting": 3.0, "backward_transfer": -3.0, "online_accuracy": 70.0, "method_bytes": 10, "kept_bytes": 90}
    cells = {"latent_replay/fp32": (90.0, 92.0), "latent_replay/int8": (89.0, 92.0),
             "latent_replay, float32/int8": (89.5, 92.5)}  # fmt: skip
    runs = [{**one, "job": f"classes/{cell}", "seed": seed, "accuracy": value}
            for cell, values in cells.items() for seed, value in enumerate(values)]  # fmt: skip
    rows = {row["name"]: row for row in incremental.rows(runs)}
    name = "incremental/classes/latent_replay/int8"
    assert rows[f"{name}/accuracy"]["value"] == 90.5
    assert rows[f"{name}/bytes"]["value"] == 10.0
    assert rows[f"{name}/minus_fp32"]["value"] == -0.5
    assert rows[f"{name}/minus_float32_latents"]["value"] == -0.5
    assert "incremental/classes/latent_replay/fp32/minus_fp32" not in rows


def test_jobs_are_all_methods_and_recipes_of_each_seed() -> None:
    import incremental

    names = [(name, seed) for name, seed, _ in incremental.jobs(False, 2)]
    assert len(set(names)) == len(names) == 2 * 2 * len(incremental.METHODS) * len(incremental.RECIPES)
    assert len(incremental.jobs(True, 3)) == 4
