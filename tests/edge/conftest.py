"""A tiny, quickly learnt domain, a pretrained network for it, and a job on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lbt.artifacts import Images, write_images
from lbt.edge.deploy import deploy
from lbt.edge.online import Base, Device
from lbt.edge.params import METHODS, EdgeParams
from lbt.edge.stage import Inputs, Outputs, run
from lbt.models import read_model
from lbt.pretrain import stage as pretrain
from lbt.pretrain.params import PretrainJob
from lbt.recipe import Recipe
from lbt.train.batches import read_examples

CLASSES = ("top", "bottom", "left")


def bars(count: int, seed: int) -> Images:
    """16×16 grey images of a bright bar at the top, bottom or left, with a time that runs backwards."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = np.zeros((count, 16, 16, 1))
    for image, label in zip(pixels, labels, strict=True):
        low, width = random.integers(1, 3), random.integers(2, 5)
        rows = {0: slice(low, low + width), 1: slice(15 - low - width, 15 - low), 2: slice(2, 14)}[int(label)]
        image[rows, slice(low, low + width) if label == 2 else slice(2, 14)] = 230
    pixels += random.normal(0, 4, pixels.shape)
    times = {"time": [float(count - n) for n in range(count)]}
    return Images(pixels.clip(0, 255).astype(np.uint8), labels.astype(np.int64), CLASSES, times)


@dataclass(frozen=True)
class Bench:
    """Inputs of a job, and where it may write."""

    inputs: Inputs
    folder: Path

    def params(self, **knobs: object) -> EdgeParams:
        quick = {"source_steps": 2, "batch": 12, "checkpoint_every": 2, "augmentation": "standard"}
        corruption = {"corruption": ["gaussian_noise", "contrast"]}
        less = {"cotta": {"views": 2}, "rotta": {"memory": 12}, "eata": {"fisher_images": 24}}
        return EdgeParams.model_validate({**quick, **corruption, **less, **knobs})

    def outputs(self, name: str) -> Outputs:
        folder = self.folder / name
        return Outputs(
            answers=folder / "answers.parquet", network=folder / "network.safetensors", scratch=folder / "scratch"
        )

    def run(self, name: str, method: str, recipe: str = "fp32", stream: str = "continual", **knobs: object) -> dict:
        return run(self.params(**knobs).job(stream, method, recipe, 0), self.inputs, self.outputs(name))

    def method(self, name: str, recipe: str = "fp32", **knobs: object) -> Base:
        """A method on a freshly deployed network."""
        params = self.params(**knobs).job("continual", name, recipe, 0)
        model, architecture = read_model(self.inputs.model)
        source = read_examples(self.inputs.source, architecture.channels, architecture.size, "source/train")
        formats = Recipe.load(recipe)
        made: Base = METHODS.load(name).Method(Device(params, formats, deploy(model, formats, source, params), source))
        return made


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("edge")
    paths = {kind: folder / f"{kind}.parquet" for kind in ("train", "validation", "test")}
    for seed, path in enumerate(paths.values()):
        write_images(path, bars(60 if seed == 0 else 30, seed))
    params = PretrainJob(steps=40, batch=16, size=16, channels=1, evaluate_every=10, augmentation="standard")
    made = pretrain.Outputs(model=folder / "model.safetensors", curve=folder / "curve.parquet")
    pretrain.run(params, pretrain.Inputs(**paths), made)
    return Inputs(model=made.model, source=paths["train"], source_test=paths["test"], stream=paths["test"])


@pytest.fixture
def bench(inputs: Inputs, tmp_path: Path) -> Bench:
    return Bench(inputs, tmp_path)
