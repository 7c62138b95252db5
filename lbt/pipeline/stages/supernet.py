"""A weight-sharing network, and the one-shot accuracy of the architectures that it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lbt.params import Params
from lbt.pipeline.job import Job, Paths
from lbt.pipeline.stages.data import SPLITS

SECTIONS = ("supernet",)
OUTPUTS = {"curve": "curve.parquet", "scores": "scores.parquet", "supernet": "supernet.safetensors"}
HEADLINE = ("accuracy/best", "accuracy/mean", "halves/kendall_tau")


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """One job: a network of the domain and seed that the params name."""
    domain = params.supernet_domain
    knobs = params.supernet.model_copy(update={"domain": domain})
    yield Job(
        "supernet",
        f"{domain}/{params.supernet.seed}",
        {"supernet": knobs.model_dump()},
        tuple(OUTPUTS.values()),
        needs={"domain": made[f"data/{domain}"]},
        group=domain,
    )


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Train the shared weights and score the architectures."""
    from lbt.nas.supernet.params import SupernetParams
    from lbt.nas.supernet.stage import Inputs, Outputs, run

    domain = paths.needs["domain"]
    inputs = Inputs(train=domain / SPLITS["train"], validation=domain / SPLITS["validation"])
    return run(SupernetParams.model_validate(job.params["supernet"]), inputs, Outputs(**paths.outs(OUTPUTS)))
