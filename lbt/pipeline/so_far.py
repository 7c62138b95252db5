"""Findings of the stages that have ended, for a run whose report is not made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lbt.artifacts import read_table
from lbt.pipeline.plan import STAGES
from lbt.pipeline.summary import NAME, TABLE, worth_a_line
from lbt.report.tables import markdown

MOST = 4
"""Metrics that are shown of a stage without a headline."""


def so_far(root: Path) -> list[str]:
    """A table for each stage below ``root`` that has a summary: a row per job, the metrics of the stage's headline."""
    return [_shown(stage, root / stage / NAME / TABLE) for stage in STAGES.names() if (root / stage / NAME).is_dir()]


def _shown(stage: str, path: Path) -> str:
    rows = read_table(path).to_pylist()
    metrics = [name for name in rows[0] if name not in ("job", "group")]
    columns = worth_a_line(metrics, STAGES.load(stage).HEADLINE) or metrics[:MOST]
    cells = [[row["job"], *(_cell(row[name]) for name in columns)] for row in rows]
    return f"{stage} ({path})\n\n{markdown(['job', *columns], cells)}"


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "not measured" if value is None else str(value)
