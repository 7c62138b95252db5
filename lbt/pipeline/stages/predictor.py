"""Architecture predictors, fitted on few evaluated cells and tested on the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lbt.params import Params
from lbt.pipeline.job import Job, Paths
from lbt.pipeline.stages.data import CELLS, TABLE

SECTIONS = ("predictor",)
OUTPUTS = {"scores": "scores.parquet", "predictor": "predictor.safetensors"}
HEADLINE = ("*/kendall_tau",)


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """One job per encoder and seed, over all training sizes."""
    for one in params.predictor.jobs():
        yield Job(
            "predictor",
            f"{one.encoder}/{one.seed}",
            {"predictor": one.model_dump()},
            tuple(OUTPUTS.values()),
            needs={"table": made[f"data/{TABLE}"]},
            group=one.encoder,
        )


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Fit and test one encoder."""
    from lbt.nas.predictors.params import PredictorJob
    from lbt.nas.predictors.stage import Inputs, Outputs, run

    inputs, outputs = Inputs(table=paths.needs["table"] / CELLS), Outputs(**paths.outs(OUTPUTS))
    return run(PredictorJob.model_validate(job.params["predictor"]), inputs, outputs)
