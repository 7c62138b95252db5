"""Low-bit training on the target domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lbt.config import find_yaml
from lbt.params import Params
from lbt.pipeline.job import Job, Paths
from lbt.pipeline.own_network import allow_in, files_of, params_of
from lbt.pipeline.stages.data import splits
from lbt.pipeline.stages.pretrain import OUTPUTS as PRETRAINED

SECTIONS = ("adapt",)
OUTPUTS = {
    "curve": "curve.parquet",
    "explain": "explain.parquet",
    "student": "student.safetensors",
    "teacher": "teacher.safetensors",
    "predictions": "predictions.csv",
    "sheet": "predictions.png",
}
HEADLINE = ("target_accuracy", "student/source_accuracy", "collapsed", "unknown_share", "unknown/*", "absent_share")


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """One job per pair, method, recipe and seed."""
    for one in params.adapt.jobs():
        source, target = one.pair.split("-")
        path = find_yaml("recipes", one.recipe)
        group = f"{one.pair}/{one.method}/{path.stem}"
        yield Job(
            "adapt",
            f"{group}/{one.seed}",
            {"adapt": one.model_dump(), **params_of(params)},
            tuple(OUTPUTS.values()),
            needs={
                "model": made[f"pretrain/{params.pretrain.start_name(one.pair, one.seed)}"],
                "source": made[f"data/{source}"],
                "target": made[f"data/{target}"],
            },
            files=(path.as_posix(), *files_of(params)),
            group=group,
        )


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Adapt one network."""
    from lbt.adapt.params import AdaptJob
    from lbt.adapt.stage import Inputs, Outputs, SplitFiles, run

    allow_in(job)
    domains = {role: SplitFiles(**splits(paths.needs[role])) for role in ("source", "target")}
    inputs = Inputs(model=paths.needs["model"] / PRETRAINED["model"], **domains)
    outputs = Outputs(**paths.outs(OUTPUTS), scratch=paths.scratch)
    metrics = run(AdaptJob.model_validate(job.params["adapt"]), inputs, outputs)
    return {**metrics, "start": job.needs["model"].name}
