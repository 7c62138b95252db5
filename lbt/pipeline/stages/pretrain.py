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
    """One job per network that a job of the adaptation grid or of the edge grid starts from."""
    knobs, source = params.pretrain, params.edge_source
    starts = {knobs.start_name(p, s): (knobs.start(p, s), p.split("-")[0]) for p, s in params.adapt.starts()}
    starts |= {knobs.plain_name(source, s): (knobs.plain(s), source) for s in params.edge.seed}
    for name, (one, domain) in starts.items():
        yield Job(
            "pretrain",
            name,
            {"pretrain": one.model_dump(), **params_of(params)},
            tuple(OUTPUTS.values()),
            needs={"source": made[f"data/{domain}"]},
            files=(*files_of(params), *([params.pretrain.weights] if params.pretrain.weights else [])),
            group=name.rpartition("/")[0],
        )


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Train one network."""
    from lbt.pretrain.params import PretrainJob
    from lbt.pretrain.stage import Inputs, Outputs, run

    allow_in(job)
    inputs, outputs = Inputs(**splits(paths.needs["source"])), Outputs(**paths.outs(OUTPUTS))
    return run(PretrainJob.model_validate(job.params["pretrain"]), inputs, outputs)
