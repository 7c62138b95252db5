"""Three classes of bars in two domains, a light and a dark one; small networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lbt.artifacts import Images
from lbt.data.inputs import to_input
from lbt.edge.incremental.options import METHODS, Job
from lbt.edge.incremental.run import options_of
from lbt.edge.incremental.tasks import Task
from lbt.edge.online import Device
from lbt.models import build
from lbt.nn import quantize
from lbt.recipe import Recipe
from lbt.train.batches import Examples

SHAPE = (1, 12, 12)
CLASSES = ("top", "bottom", "left")


def bars(count: int, seed: int, dark: int = 0) -> Images:
    """12×12 grey images of a bright bar at the top, at the bottom or at the left."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = np.zeros((count, 12, 12, 1))
    places = {0: np.s_[1:4, 1:11], 1: np.s_[8:11, 1:11], 2: np.s_[1:11, 1:4]}
    for image, label in zip(pixels, labels, strict=True):
        image[places[int(label)]] = 230 - dark
    pixels += dark / 2 + random.normal(0, 12, pixels.shape)
    return Images(pixels.clip(0, 255).astype(np.uint8), labels.astype(np.int64), CLASSES)


def task(images: Images, name: str, *classes: int) -> Task:
    """The images of some classes, all of them for the test too."""
    chosen = images.take(np.flatnonzero(np.isin(images.labels, classes or range(3))))
    return Task(name, chosen, Examples(to_input(chosen.pixels), torch.from_numpy(chosen.labels), CLASSES, name))


@pytest.fixture(scope="session")
def tasks() -> list[Task]:
    """Two classes, then the third."""
    images = bars(60, 0)
    return [task(images, "two", 0, 1), task(images, "third", 2)]


def job(method: str, recipe: str = "fp32", given: dict | None = None, **knobs: object) -> Job:
    quick = {"channels": 1, "size": 12, "pretrain_steps": 4, "source_steps": 1, "batch": 8, "checkpoint_every": 2}
    given = {"updates": 1, **(given or {})}
    return Job.model_validate(
        {**quick, "method": method, "recipe": recipe, "options": options_of(method, given), **knobs}
    )


def learner(method: str, recipe: str = "fp32", given: dict | None = None, **knobs: object):
    """A prepared method on a fresh network whose norms have statistics."""
    network = build("digit_cnn", 3, 1).train()
    with torch.no_grad():
        for step in range(3):
            network(torch.randn(16, *SHAPE, generator=torch.Generator().manual_seed(step)))
    network = quantize(network, recipe).to(memory_format=torch.channels_last).eval()
    made = METHODS.load(method).Method(Device(job(method, recipe, given, **knobs), Recipe.load(recipe), network, None))
    made.prepare(SHAPE)
    return made
