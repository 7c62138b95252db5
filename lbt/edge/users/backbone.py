"""The backbone that all users share: pretrained on other people's images, put into a recipe's numbers, ready for masks.

Its last training, in the recipe's numbers, makes two passes a step: the whole network, and the network under random
channel masks, which learns from the labels and from the whole one (as slimmable networks do, Yu & Huang 2019, arXiv
1903.05134). Then most channels can be missed, and a user's masks cost little.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from lbt.artifacts import Images, write_images
from lbt.data.splits import divide
from lbt.edge.users.gates import gated, random_factors
from lbt.edge.users.structure import groups_of
from lbt.models import Architecture, read_model
from lbt.models._network import Network
from lbt.nn import optimizer, quantize, scale_loss, set_step
from lbt.pretrain import stage as pretrain
from lbt.pretrain.params import PretrainJob
from lbt.recipe import Recipe
from lbt.train.batches import Examples, draw
from lbt.train.schedule import set_lr, warm_cosine

BATCH, LR, LEAST = 32, 0.02, 0.4
"""Images a step, peak learning rate and smallest share of channels of the training in the recipe's numbers."""
VALIDATION = 0.1
"""Share of the images by which pretraining chooses its checkpoint."""


def pretrained(images: Images, job: PretrainJob) -> tuple[Network, Architecture]:
    """A float network that learnt the labelled ``images``.

    Raises:
        LbtError: too few images, or the training diverged.
    """
    train, validation, test = (images.take(part) for part in divide(images.labels, VALIDATION, VALIDATION))
    with tempfile.TemporaryDirectory() as name:
        paths = {part: Path(name) / f"{part}.parquet" for part in ("train", "validation", "test")}
        for path, part in zip(paths.values(), (train, validation, test), strict=True):
            write_images(path, part)
        outputs = pretrain.Outputs(model=Path(name) / "model.safetensors", curve=Path(name) / "curve.parquet")
        pretrain.run(job, pretrain.Inputs(**paths), outputs)
        return read_model(outputs.model)


def deployed(
    model: Network,
    shape: tuple[int, ...],
    recipe: Recipe,
    source: Examples,
    *,
    steps: int,
    augmentation: str,
    seed: int,
) -> Network:
    """``model`` under ``recipe``, after ``steps`` of training with and without random masks; in evaluation mode."""
    network = quantize(model, recipe, seed=seed).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = groups_of(network, shape)
    network.train()
    trainer = optimizer(network, recipe, name="sgd", lr=LR, momentum=0.9, weight_decay=5e-4)
    for group in trainer.param_groups:
        group["peak"] = LR
    for step in range(steps):
        set_step(network, step)
        (images,), labels = draw(source, BATCH, seed, step, augmentation)
        whole = network(images)
        loss = F.cross_entropy(whole, labels)
        with gated(network, found, random_factors(found, LEAST, seed, step)):
            part = network(images)
        loss = loss + F.cross_entropy(part, labels) / 2 + F.cross_entropy(part, whole.detach().softmax(1)) / 2
        trainer.zero_grad()
        scale_loss(network, loss).backward()  # type: ignore[no-untyped-call]
        set_lr(trainer, warm_cosine(step, steps, warm=0.1))
        trainer.step()
    network.eval()
    return cast("Network", network)


@torch.no_grad()
def mean_feature(network: Network, images: Tensor, batch: int = 256) -> Tensor:
    """(D,) mean feature of ``images`` (N, C, H, W): what the backbone keeps of the images that it learnt from."""
    parts = [network.features(part).sum(0) for part in images.split(batch)]
    return torch.stack(parts).sum(0) / len(images)
