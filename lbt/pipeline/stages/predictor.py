"""Architecture predictors, fitted on few evaluated cells and tested on the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lbt.params import Params
from lbt.pipeline.job import Job, Paths
from lbt.pipeline.stages.data import TABLE

SECTIONS = ("predictor",)
HEADLINE = ("*/kendall_tau",)


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """One job per encoder and seed, over all training sizes."""
    for one in params.predictor.jobs():
        yield Job(
            "predictor",
            f"{one.encoder}/{one.seed}",
            {"predictor": one.model_dump()},
            ("metrics.json", "scores.parquet", "predictor.safetensors"),
            needs={"table": made[f"data/{TABLE}"]},
            group=one.encoder,
        )


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Fit and test one encoder."""
    from lbt.nas.predictors.params import PredictorJob
    from lbt.nas.predictors.stage import Inputs, Outputs, run

    inputs = Inputs(table=paths.needs["table"] / "cells.parquet")
    outputs = Outputs(scores=paths.out("scores.parquet"), predictor=paths.out("predictor.safetensors"))
    return run(PredictorJob.model_validate(job.params["predictor"]), inputs, outputs)
