"""A float network learns each source domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lbt.params import Params
from lbt.pipeline.job import Job, Paths
from lbt.pipeline.stages.data import SPLITS

SECTIONS = ("pretrain",)
HEADLINE = ("validation_accuracy", "test_accuracy", "parameters")


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """One job per source domain of the adaptation grid."""
    for source in dict.fromkeys(pair.split("-")[0] for pair in params.adapt.pair):
        yield Job(
            "pretrain",
            source,
            {"pretrain": params.pretrain.model_dump()},
            ("metrics.json", "model.safetensors", "curve.parquet"),
            needs={"source": made[f"data/{source}"]},
            group=source,
        )


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Train one network."""
    from lbt.pretrain.params import PretrainParams
    from lbt.pretrain.stage import Inputs, Outputs, run

    inputs = Inputs(**{split: paths.needs["source"] / f"{split}.parquet" for split in SPLITS})
    outputs = Outputs(model=paths.out("model.safetensors"), curve=paths.out("curve.parquet"))
    return run(PretrainParams.model_validate(job.params["pretrain"]), inputs, outputs)
