"""Low-bit training on the target domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lbt.config import find_yaml
from lbt.params import Params
from lbt.pipeline.job import Job, Paths
from lbt.pipeline.stages.data import SPLITS

SECTIONS = ("adapt",)
HEADLINE = ("target_accuracy", "student/source_accuracy", "collapsed")


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """One job per pair, method, recipe and seed."""
    for one in params.adapt.jobs():
        source, target = one.pair.split("-")
        path = find_yaml("recipes", one.recipe)
        group = f"{one.pair}/{one.method}/{path.stem}"
        yield Job(
            "adapt",
            f"{group}/{one.seed}",
            {"adapt": one.model_dump()},
            ("metrics.json", "curve.parquet", "explain.parquet", "student.safetensors", "teacher.safetensors"),
            needs={
                "model": made[f"pretrain/{params.pretrain.start_name(one.pair, one.seed)}"],
                "source": made[f"data/{source}"],
                "target": made[f"data/{target}"],
            },
            files=(path.as_posix(),),
            group=group,
        )


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Adapt one network."""
    from lbt.adapt.params import AdaptJob
    from lbt.adapt.stage import Inputs, Outputs, SplitFiles, run

    domains = {
        role: SplitFiles(**{split: paths.needs[role] / f"{split}.parquet" for split in SPLITS})
        for role in ("source", "target")
    }
    inputs = Inputs(model=paths.needs["model"] / "model.safetensors", **domains)
    outputs = Outputs(
        curve=paths.out("curve.parquet"),
        student=paths.out("student.safetensors"),
        explain=paths.out("explain.parquet"),
        teacher=paths.out("teacher.safetensors"),
        scratch=paths.scratch,
    )
    metrics = run(AdaptJob.model_validate(job.params["adapt"]), inputs, outputs)
    return {**metrics, "start": job.needs["model"].name}
