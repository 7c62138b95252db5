"""Architecture search, answered from the benchmark table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lbt.config import find_yaml
from lbt.params import Params
from lbt.pipeline.job import Job, Paths
from lbt.pipeline.stages.data import CELLS, TABLE

SECTIONS = ("search",)
OUTPUTS = {"curve": "curve.parquet"}
HEADLINE = ("best", "regret", "regret_50")


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """One job per strategy and seed."""
    knobs = params.search
    costed = knobs.cost in ("cycles", "energy")
    files = [find_yaml("boards", knobs.board), find_yaml("recipes", knobs.recipe)] if costed else []
    for one in knobs.jobs():
        yield Job(
            "search",
            f"{one.strategy}/{one.seed}",
            {"search": one.model_dump()},
            tuple(OUTPUTS.values()),
            needs={"table": made[f"data/{TABLE}"]},
            files=tuple(path.as_posix() for path in files),
            group=one.strategy,
        )


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Run one search."""
    from lbt.nas.search.params import SearchJob
    from lbt.nas.search.stage import Inputs, Outputs, run

    inputs, outputs = Inputs(table=paths.needs["table"] / CELLS), Outputs(**paths.outs(OUTPUTS))
    return run(SearchJob.model_validate(job.params["search"]), inputs, outputs)
