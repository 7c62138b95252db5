"""A float network learns each source domain, once for each seed and for each augmentation that a pair asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lbt.params import Params
from lbt.pipeline.job import Job, Paths
from lbt.pipeline.own_network import allow_in, files_of, params_of
from lbt.pipeline.stages.data import splits

SECTIONS = ("pretrain",)
OUTPUTS = {"model": "model.safetensors", "curve": "curve.parquet"}
HEADLINE = ("validation_accuracy", "test_accuracy", "parameters")


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """One job per network that a job of the adaptation grid starts from."""
    starts = {params.pretrain.start_name(pair, seed): (pair, seed) for pair, seed in params.adapt.starts()}
    for name, (pair, seed) in starts.items():
        yield Job(
            "pretrain",
            name,
            {"pretrain": params.pretrain.start(pair, seed).model_dump(), **params_of(params)},
            tuple(OUTPUTS.values()),
            needs={"source": made[f"data/{pair.split('-')[0]}"]},
            files=(*files_of(params), *([params.pretrain.weights] if params.pretrain.weights else [])),
            group=params.pretrain.start_group(pair),
        )


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Train one network."""
    from lbt.pretrain.params import PretrainJob
    from lbt.pretrain.stage import Inputs, Outputs, run

    allow_in(job)
    inputs, outputs = Inputs(**splits(paths.needs["source"])), Outputs(**paths.outs(OUTPUTS))
    return run(PretrainJob.model_validate(job.params["pretrain"]), inputs, outputs)
