"""The results of a run, as the report's sections read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbt.artifacts import read_json, read_table

UPPER_BOUND = "target_supervised"
"""The method that no device can use: it has all labels of the target."""


@dataclass(frozen=True)
class Found:
    """A finished run.

    Attributes:
        summaries: stage → folder with ``table.parquet``.
        jobs: stage → job's name → its folder.
    """

    summaries: Mapping[str, Path]
    jobs: Mapping[str, Mapping[str, Path]]

    def rows(self, stage: str) -> list[dict[str, Any]]:
        """The rows of a stage's summary, one per job; the parts of the job's name are in ``parts``."""
        table = read_table(self.summaries[stage] / "table.parquet")
        return [{**row, "parts": tuple(row["job"].split("/"))} for row in table.to_pylist()]

    def tables(self, stage: str, file: str) -> dict[str, list[dict[str, Any]]]:
        """The rows of the Parquet file ``file`` of every job of ``stage`` that has one, by the job's name."""
        paths = {name: folder / file for name, folder in self.jobs[stage].items()}
        return {name: read_table(path).to_pylist() for name, path in paths.items() if path.is_file()}

    def metrics(self, stage: str, job: str) -> dict[str, Any]:
        """A job's ``metrics.json``."""
        return read_json(self.jobs[stage][job] / "metrics.json")

    def by_group(self, stage: str, file: str) -> dict[str, list[list[dict[str, Any]]]]:
        """As :meth:`tables`, with the jobs that differ in their seed alone (the name's last part) side by side."""
        groups: dict[str, list[list[dict[str, Any]]]] = {}
        for name, rows in self.tables(stage, file).items():
            groups.setdefault(name.rpartition("/")[0], []).append(rows)
        return groups
