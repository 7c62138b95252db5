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
    knobs = params.predictor
    for encoder in knobs.encoder:
        for seed in knobs.seed:
            one = knobs.model_copy(update={"encoder": [encoder], "seed": [seed]})
            yield Job(
                "predictor",
                f"{encoder}/{seed}",
                {"predictor": one.model_dump()},
                ("metrics.json", "scores.parquet", "predictor.safetensors"),
                needs={"table": made[f"data/{TABLE}"]},
                group=encoder,
            )


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Fit and test one encoder."""
    from lbt.nas.predictors.params import PredictorParams
    from lbt.nas.predictors.stage import Inputs, Outputs, run

    inputs = Inputs(table=paths.needs["table"] / "cells.parquet")
    outputs = Outputs(scores=paths.out("scores.parquet"), predictor=paths.out("predictor.safetensors"))
    return run(PredictorParams.model_validate(job.params["predictor"]), inputs, outputs)
