"""From a folder of images without labels to the report, through every stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbt import cli
from lbt.artifacts import read_json

PARAMS = """
adapt:
  pair: bars-field
  method: [source_only, mean_teacher]
  recipe: [int8]
  steps: 4
  source_steps: 2
  batch: 16
  evaluate_every: 2
  pair_augmentation: {}
supernet: {domain: bars, steps: 4, batch: 16, architectures: 12, channels: 4, cells: 1}
predictor: {encoder: [mlp], sizes: [40], seed: [0], epochs: 3}
search: {strategy: [random], seed: [0], queries: 30}
"""


@pytest.fixture
def workspace(checkout: Path, bars) -> Path:
    """A workspace with labelled bars, and 30 images of the field that nobody has labelled."""
    (checkout / "params" / "field.yaml").write_text(bars(30, False) + PARAMS)
    return checkout


@pytest.mark.slow
def test_a_target_without_labels_runs_to_the_report(workspace, capsys):
    for stage in ("data", "pretrain", "adapt", "edge", "supernet", "predictor", "search", "hardware", "report"):
        cli.main([stage, "--params", "params/field.yaml"])
    assert "target_accuracy not measured" in capsys.readouterr().out
    results = workspace / "results" / "field"
    metrics = read_json(results / "adapt/bars-field/mean_teacher/int8/0/metrics.json")
    assert metrics["target_accuracy"] is None
    assert metrics["source_accuracy"] is not None
    page = (results / "report/results.md").read_text()
    row = next(line for line in page.splitlines() if "mean_teacher" in line)
    assert "not measured" in row
    assert "nan" not in page
    assert "not measured" in (results / "report/accuracy.csv").read_text()
