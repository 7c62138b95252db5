"""A weight-sharing network, and the one-shot accuracy of the architectures that it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lbt.params import Params
from lbt.pipeline.job import Job, Paths

SECTIONS = ("supernet",)
HEADLINE = ("accuracy/best", "accuracy/mean", "halves/kendall_tau")


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """One job: a network of the domain and seed that the params name."""
    domain = params.supernet_domain
    knobs = params.supernet.model_copy(update={"domain": domain})
    yield Job(
        "supernet",
        f"{domain}/{params.supernet.seed}",
        {"supernet": knobs.model_dump()},
        ("metrics.json", "curve.parquet", "scores.parquet", "supernet.safetensors"),
        needs={"domain": made[f"data/{domain}"]},
        group=domain,
    )


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Train the shared weights and score the architectures."""
    from lbt.nas.supernet.params import SupernetParams
    from lbt.nas.supernet.stage import Inputs, Outputs, run

    domain = paths.needs["domain"]
    inputs = Inputs(train=domain / "train.parquet", validation=domain / "validation.parquet")
    names = {"supernet": "supernet.safetensors", "scores": "scores.parquet", "curve": "curve.parquet"}
    outputs = Outputs(**{role: paths.out(name) for role, name in names.items()})
    return run(SupernetParams.model_validate(job.params["supernet"]), inputs, outputs)
