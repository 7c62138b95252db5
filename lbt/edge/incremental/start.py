"""The network before the first batch: features that were pretrained elsewhere, or on the first task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from lbt.artifacts import Images, read_tensors
from lbt.data.images import convert
from lbt.data.inputs import to_input
from lbt.edge.deploy import deploy
from lbt.edge.incremental.options import Job
from lbt.edge.incremental.tasks import Task, read_domain
from lbt.edge.users.backbone import pretrained
from lbt.models import Architecture, build, read_model, write_model
from lbt.models._network import Network
from lbt.nn import quantize
from lbt.pretrain.params import PretrainJob
from lbt.recipe import Recipe
from lbt.train.batches import Examples


@dataclass(frozen=True)
class Start:
    """A pretrained network.

    Attributes:
        model: in float32, with a classifier of the pretraining's classes.
        source: its images.
        classes: names of the stream's classes.
        fresh: the classifier is dropped before deployment.
    """

    model: Network
    source: Examples
    classes: tuple[str, ...]
    fresh: bool

    def float_network(self, job: Job) -> Network:
        """A float network of the stream's classes."""
        return build(job.model, len(self.classes), job.channels, seed=job.seed)

    def deployed(self, job: Job) -> Network:
        """The network in the numbers of the job's recipe. A pure function of its arguments."""
        recipe = Recipe.load(job.recipe)
        network = deploy(self.model, recipe, self.source, job)
        if not self.fresh:
            return network
        made: Any = quantize(self.float_network(job), recipe, seed=job.seed)
        made = made.to(memory_format=torch.channels_last)
        made.features.load_state_dict(network.features.state_dict())
        return cast("Network", made.eval())


def start(job: Job, first: Task, saved: Path | None, identity: str) -> Start:
    """Pretrain, or take the network that an earlier run with this identity saved.

    Args:
        job: the network, and where its features come from.
        first: the first task.
        saved: a weights file. None: nothing is saved.
        identity: of the images and the options of pretraining.

    Raises:
        LbtError: the domain of the features is unreadable, or has too few images.
    """
    images = first.train
    if job.features is not None:
        images = convert(read_domain(job.features).train, job.channels, job.size)
    source = Examples(to_input(images.pixels), torch.from_numpy(images.labels), images.classes, "source/train")
    model = _model(job, images, saved, identity)
    return Start(model, source, first.train.classes, job.features is not None)


def _model(job: Job, images: Images, saved: Path | None, identity: str) -> Network:
    if saved is not None and saved.is_file() and read_tensors(saved)[1].get("identity") == identity:
        return read_model(saved)[0]
    options = PretrainJob(
        model=job.model, channels=job.channels, size=job.size, steps=job.pretrain_steps,
        augmentation="standard", seed=job.seed,
    )  # fmt: skip
    model, _ = pretrained(images, options)
    if saved is not None:
        architecture = Architecture(job.model, images.classes, job.channels, job.size)
        write_model(saved, model, architecture, identity=identity)
    return model
