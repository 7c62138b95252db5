"""The finetuning that several experiments share: a network pretrained on plain digits learns digits over photos.

The network is that of benchmarks/recipes.py (four convolutions with batch norm and a classifier, 35 k parameters),
pretrained in float32 on 3,000 plain MNIST digits; a seed has a network of its own. Tests are 1,500 digits over photos.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable

import recipes
import torch
from torch import Tensor, nn
from torch.nn import functional

from lbt.nn import optimizer, quantize, set_step
from lbt.recipe import Recipe

from . import _setting as setting
from .difficulty import task

PRETRAIN, STEPS, BATCH, TRIAL_SEED = 300, 120, 32, 4
"""Rates are chosen on :data:`TRIAL_SEED`, which no row has, and on the validation images."""
MACS = {0: 110_592, 3: 294_912, 6: 589_824, 9: 294_912, 14: 640}
"""Products of a forward pass over one image, by the place of the layer in the network."""
LAYERS = tuple(MACS)
Hook = Callable[[int], None]
"""Called with the number of the step."""


def nothing(step: int) -> None:
    """The hook that does nothing."""


@functools.cache
def plain() -> recipes.Task:
    """Plain digits; their images have one channel."""
    return recipes.Task(recipes.TASKS["digits"])


@functools.cache
def pretrained(seed: int) -> nn.Module:
    """The float32 network of ``seed`` after :data:`PRETRAIN` steps on plain digits. Copy it before use."""
    images, labels = plain().train
    model = quantize(recipes.network(seed, 3), "fp32", inplace=True)
    train(model, optimizer(model, lr=recipes.RATE), images.expand(-1, 3, -1, -1), labels, seed, PRETRAIN)
    fresh = recipes.network(seed, 3)
    fresh.load_state_dict(model.state_dict())
    return fresh


def fresh(seed: int, recipe: dict[str, object], start: Callable[[int], nn.Module] = pretrained) -> nn.Module:
    """A copy of ``start(seed)`` in the numbers of ``recipe``."""
    return quantize(copy.deepcopy(start(seed)), Recipe.model_validate(recipe), seed=seed)


def train(
    model: nn.Module,
    update: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    seed: int,
    steps: int = STEPS,
    before: Hook = nothing,
    after: Hook = nothing,
) -> None:
    """Cross-entropy on random batches at a one-cycle rate; ``before`` and ``after`` enclose the optimizer's step."""
    steps = max(2, min(steps, setting.CAP))
    rate = update.param_groups[0]["lr"]
    schedule = torch.optim.lr_scheduler.OneCycleLR(update, rate, total_steps=steps, cycle_momentum=False)
    draw = torch.Generator().manual_seed(seed)
    model.train()
    for step in range(steps):
        set_step(model, step)
        batch = torch.randint(0, len(images), (min(BATCH, len(images)),), generator=draw)
        model.zero_grad()
        functional.cross_entropy(model(images[batch]), labels[batch]).backward()
        before(step)
        update.step()
        after(step)
        schedule.step()


@torch.inference_mode()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Percent right with the statistics that the network keeps."""
    model.eval()
    hits = [model(a).argmax(1) == b for a, b in zip(images.split(500), labels.split(500), strict=True)]
    return 100 * float(torch.cat(hits).float().mean())


def tested(model: nn.Module, seed: int) -> float:
    """Accuracy on the target: its test images, or the validation images for the seed on which rates are chosen."""
    return accuracy(model, *(task().validation if seed == TRIAL_SEED else task().test))


def backward_macs(trained: Iterable[int]) -> int:
    """Products of a backward pass over one image that trains only these layers: their weight gradients, and the errors
    of every layer behind the first of them."""
    chosen = set(trained)
    return sum(MACS[one] * ((one in chosen) + (one > min(chosen, default=99))) for one in LAYERS)


def layer_of(name: str) -> int:
    """The layer, by its place, that a parameter belongs to; a norm's parameters belong to its convolution."""
    place = int(name.partition(".")[0])
    return max(one for one in LAYERS if one <= place)
