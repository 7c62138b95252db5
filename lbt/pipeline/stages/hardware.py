"""What a training step costs on a device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lbt.config import find_yaml
from lbt.params import Params
from lbt.pipeline import summary
from lbt.pipeline.job import Job, Paths

SECTIONS = ("hardware",)
HEADLINE = ("images_per_second", "energy_per_image_mj", "mac_lut", "storage_bytes")
NETWORK, SEARCHED = "network", "searched"


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """The pretrained network, and the network of the best cell that a search found, each under every recipe.

    Only the network's architecture counts, so that no adaptation has to be done for it.
    """
    board = find_yaml("boards", params.hardware.board)
    network = next(job for job in made.values() if job.stage == "pretrain" and job.name != summary.NAME)
    searches = {job.key: job for job in made.values() if job.stage == "search" and job.name != summary.NAME}
    for recipe in (find_yaml("recipes", name) for name in params.adapt.recipe):
        common: dict[str, Any] = {
            "stage": "hardware",
            "outputs": ("metrics.json", "layers.parquet", "comparison.parquet", "norms.parquet"),
            "files": (recipe.as_posix(), board.as_posix()),
        }
        knobs = {"hardware": params.hardware.model_dump()}
        for name, needs in ((NETWORK, {"network": network}), (SEARCHED, {"network": network, **searches})):
            job = f"{name}/{recipe.stem}"
            yield Job(name=job, params=knobs, needs=needs, group=job, **common)


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Cost one network under one recipe."""
    from torch import nn

    from lbt.artifacts import read_json
    from lbt.hardware.params import HardwareParams
    from lbt.hardware.stage import Inputs, Outputs, run
    from lbt.nas.supernet.network import cell_network
    from lbt.nn.models import read_model

    model: nn.Module
    model, architecture = read_model(paths.needs["network"] / "model.safetensors")
    shape = (architecture.channels, architecture.size, architecture.size)
    if job.name.startswith(SEARCHED):
        found = [read_json(paths.needs[key] / "metrics.json") for key in job.needs if key.startswith("search/")]
        cell = max(found, key=lambda metrics: metrics["best"])["architecture"]
        model = cell_network(cell, classes=len(architecture.classes), in_channels=architecture.channels)
    inputs = Inputs(model=model, input_shape=shape, recipe=job.files[0])
    outputs = Outputs(**{name: paths.out(f"{name}.parquet") for name in ("layers", "comparison", "norms")})
    return run(HardwareParams.model_validate(job.params["hardware"]), inputs, outputs)
