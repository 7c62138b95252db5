"""The network that is deployed: the pretrained one under the recipe, after a little low-bit training on the source."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from lbt.edge.knobs import Deployed
from lbt.errors import LbtError
from lbt.models._network import Network
from lbt.nn import optimizer, quantize, scale_loss, set_step
from lbt.recipe import Recipe
from lbt.train.batches import Examples, draw
from lbt.train.schedule import set_lr, warm_cosine

BATCH = 32
"""Source images a step."""


def deploy(model: Network, recipe: Recipe, source: Examples | None, params: Deployed) -> Network:
    """A copy of ``model`` under ``recipe``, trained for ``source_steps`` on the labelled images of the source.

    Every method starts from this network, so that none is judged by the rounding of a float network. A pure function of
    its arguments.

    Raises:
        LbtError: ``source_steps`` without a source.
    """
    network: nn.Module = quantize(model, recipe, seed=params.seed)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not params.source_steps:
        return cast("Network", network.eval())
    if source is None:
        raise LbtError(f"edge.source_steps: found {params.source_steps}, but there are no source images")
    network.train()
    trainer = optimizer(network, recipe, name="sgd", lr=params.source_lr, momentum=0.9, weight_decay=5e-4)
    for group in trainer.param_groups:
        group["peak"] = params.source_lr
    for step in range(params.source_steps):
        set_step(network, step)
        (images,), labels = draw(source, BATCH, params.seed, step, params.augmentation)
        loss = F.cross_entropy(network(images), labels)
        trainer.zero_grad()
        scale_loss(network, loss).backward()  # type: ignore[no-untyped-call]
        set_lr(trainer, warm_cosine(step, params.source_steps, warm=0.1))
        trainer.step()
    return cast("Network", network.eval())
