"""A stream of corrupted images through a deployed network that adapts while it predicts, in low bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lbt.config import find_yaml
from lbt.params import Params
from lbt.pipeline.job import Job, Paths
from lbt.pipeline.own_network import allow_in, files_of, params_of
from lbt.pipeline.stages.data import splits
from lbt.pipeline.stages.pretrain import OUTPUTS as PRETRAINED

SECTIONS = ("edge",)
OUTPUTS = {"answers": "answers.parquet", "network": "network.safetensors"}
HEADLINE = ("online_error", "forgetting", "memory/kept_bytes", "memory/peak_bytes", "milliseconds", "millijoules")


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """One job per stream, method, recipe and seed."""
    board = find_yaml("boards", params.edge.board)
    source, target = params.edge_source, params.edge.target or params.edge_source
    for one in params.edge.jobs():
        path = find_yaml("recipes", one.recipe)
        group = f"{one.stream}/{one.method}/{path.stem}"
        yield Job(
            "edge",
            f"{group}/{one.seed}",
            {"edge": one.model_dump(), **params_of(params)},
            tuple(OUTPUTS.values()),
            needs={
                "model": made[f"pretrain/{params.pretrain.plain_name(source, one.seed)}"],
                "source": made[f"data/{source}"],
                "stream": made[f"data/{target}"],
            },
            files=(path.as_posix(), board.as_posix(), *files_of(params)),
            group=group,
        )


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Run one stream."""
    from lbt.edge.params import EdgeJob
    from lbt.edge.stage import Inputs, Outputs, run

    allow_in(job)
    source, stream = splits(paths.needs["source"]), splits(paths.needs["stream"])
    inputs = Inputs(
        model=paths.needs["model"] / PRETRAINED["model"],
        source=source["train"],
        source_test=source["test"],
        stream=stream["test"],
    )
    outputs = Outputs(**paths.outs(OUTPUTS), scratch=paths.scratch)
    return run(EdgeJob.model_validate(job.params["edge"]), inputs, outputs)
