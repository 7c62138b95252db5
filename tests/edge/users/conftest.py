"""A small backbone, and users whose images differ by brightness."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lbt.artifacts import Images
from lbt.edge.users.package import Resident
from lbt.edge.users.people import People, person
from lbt.models import build
from lbt.nn import quantize

SHAPE = (1, 12, 12)


def bars(count: int, seed: int, dark: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """12×12 grey images of a bright bar at the top, at the bottom or at the left."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = np.zeros((count, 12, 12, 1))
    places = {0: np.s_[1:4, 1:11], 1: np.s_[8:11, 1:11], 2: np.s_[1:11, 1:4]}
    for image, label in zip(pixels, labels, strict=True):
        image[places[int(label)]] = 230 - dark
    pixels += dark / 2 + random.normal(0, 12, pixels.shape)
    return pixels.clip(0, 255).astype(np.uint8), labels.astype(np.int64)


@pytest.fixture(scope="session")
def people() -> People:
    parts = [bars(30, seed, dark) for seed, dark in enumerate((0, 60, 120))]
    pixels, labels = (np.concatenate(values) for values in zip(*parts, strict=True))
    users = np.repeat(np.array(["ann", "bob", "../eve"], dtype=object), 30)
    return People(Images(pixels, labels, ("top", "bottom", "left")), users, np.tile(np.arange(30.0), 3))


def network(recipe: str = "int8", seed: int = 0) -> torch.nn.Module:
    """A converted digit_cnn whose norms have statistics."""
    model = build("digit_cnn", 3, 1, seed=seed).train()
    with torch.no_grad():
        for step in range(3):
            model(torch.randn(16, *SHAPE, generator=torch.Generator().manual_seed(step)))
    return quantize(model, recipe).to(memory_format=torch.channels_last)


@pytest.fixture(scope="session")
def everybodys() -> Resident:
    return Resident(network(), SHAPE)


@pytest.fixture
def resident(everybodys) -> Resident:
    """One for all tests; none may change its backbone."""
    everybodys.remove()
    return everybodys


@pytest.fixture
def early(people):
    return person(people, "bob", 4).early
