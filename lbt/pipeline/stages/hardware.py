"""Cost of a training step on a device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lbt.config import find_yaml
from lbt.params import Params
from lbt.pipeline import summary
from lbt.pipeline.job import METRICS, Job, Paths
from lbt.pipeline.own_network import allow_in, files_of, params_of
from lbt.pipeline.stages.adapt import OUTPUTS as ADAPTED

SECTIONS = ("hardware",)
OUTPUTS = {"layers": "layers.parquet", "comparison": "comparison.parquet", "norms": "norms.parquet"}
HEADLINE = ("images_per_second", "energy_per_image_mj", "mac_lut", "storage_bytes")
NETWORK, SEARCHED = "network", "searched"


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """The network that was adapted, and the network of the best cell that a search found, under each adapted recipe."""
    board = find_yaml("boards", params.hardware.board)
    searches = {job.key: job for job in made.values() if job.stage == "search" and job.name != summary.NAME}
    adapted: dict[Path, Job] = {}
    for job in made.values():
        if job.stage == "adapt" and job.name != summary.NAME:
            adapted.setdefault(Path(job.files[0]), job)
    for recipe, network in adapted.items():
        common: dict[str, Any] = {
            "stage": "hardware",
            "outputs": tuple(OUTPUTS.values()),
            "files": (recipe.as_posix(), board.as_posix(), *files_of(params)),
        }
        knobs = {"hardware": params.hardware.model_dump(), **params_of(params)}
        for name, needs in ((NETWORK, {"network": network}), (SEARCHED, {"network": network, **searches})):
            own = f"{name}/{recipe.stem}"
            yield Job(name=own, params=knobs, needs=needs, group=own, **common)


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Cost one network under one recipe."""
    from torch import nn

    from lbt.artifacts import read_json
    from lbt.hardware.params import HardwareParams
    from lbt.hardware.stage import Inputs, Outputs, run
    from lbt.models import build, read_architecture
    from lbt.nas.supernet.network import cell_network

    allow_in(job)
    model: nn.Module
    architecture = read_architecture(paths.needs["network"] / ADAPTED["student"])
    classes = len(architecture.classes)
    model = build(architecture.model, classes, architecture.channels)
    shape = (architecture.channels, architecture.size, architecture.size)
    if job.name.startswith(SEARCHED):
        found = [read_json(paths.needs[key] / METRICS) for key in job.needs if key.startswith("search/")]
        cell = max(found, key=lambda metrics: metrics["best"])["architecture"]
        model = cell_network(cell, classes=classes, in_channels=architecture.channels)
    inputs = Inputs(model=model, input_shape=shape, recipe=job.files[0])
    return run(HardwareParams.model_validate(job.params["hardware"]), inputs, Outputs(**paths.outs(OUTPUTS)))
