"""A tiny, quickly learnt pair of domains, and a pretrained network for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lbt.adapt.params import AdaptParams
from lbt.adapt.stage import Inputs, Outputs, SplitFiles, run
from lbt.artifacts import Images, write_images
from lbt.pretrain import stage as pretrain
from lbt.pretrain.params import PretrainJob

CLASSES = ("top", "bottom", "left")


def bars(count: int, seed: int, background: int, noise: float) -> Images:
    """16×16 grey images of a bright bar at the top, bottom or left."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = np.full((count, 16, 16, 1), background, float)
    for image, label in zip(pixels, labels, strict=True):
        low, width = rng.integers(1, 3), rng.integers(2, 5)
        rows = {0: slice(low, low + width), 1: slice(15 - low - width, 15 - low), 2: slice(2, 14)}[int(label)]
        columns = slice(low, low + width) if label == 2 else slice(2, 14)
        image[rows, columns] = 230
    pixels += rng.normal(0, noise, pixels.shape)
    return Images(pixels.clip(0, 255).astype(np.uint8), labels.astype(np.int64), CLASSES)


@dataclass(frozen=True)
class Bench:
    """Inputs of a job, and where it may write."""

    inputs: Inputs
    folder: Path

    def run(self, name: str = "job", recipe: str = "fp32", method: str = "mean_teacher", **knobs: object) -> dict:
        """Run one job with quick defaults."""
        quick = {"steps": 6, "source_steps": 4, "batch": 12, "labels_per_class": 2}
        often = {"evaluate_every": 2, "checkpoint_every": 2}
        params = AdaptParams.model_validate({**quick, **often, **knobs}).job("bars-grey", method, recipe, 0)
        return run(params, self.inputs, self.outputs(name))

    def outputs(self, name: str) -> Outputs:
        folder = self.folder / name
        files = {"curve": "curve.parquet", "explain": "explain.parquet"}
        files |= {"student": "student.safetensors", "teacher": "teacher.safetensors", "scratch": "scratch"}
        return Outputs(**{role: folder / name for role, name in files.items()})


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("data")
    splits = {}
    for domain, background, noise in (("bars", 0, 4.0), ("grey", 150, 40.0)):
        paths = {kind: folder / f"{domain}.{kind}.parquet" for kind in ("train", "validation", "test")}
        for seed, path in enumerate(paths.values()):
            write_images(path, bars(60 if seed == 0 else 30, seed, background, noise))
        splits[domain] = SplitFiles(**paths)
    source = splits["bars"]
    params = PretrainJob(steps=40, batch=16, size=16, channels=1, evaluate_every=10, augmentation="standard")
    model = folder / "model.safetensors"
    made = pretrain.Outputs(model=model, curve=folder / "curve.parquet")
    result = pretrain.run(params, pretrain.Inputs(**vars(source)), made)
    assert result["test_accuracy"] > 90
    return Inputs(model=model, source=source, target=splits["grey"])


@pytest.fixture
def bench(inputs: Inputs, tmp_path: Path) -> Bench:
    return Bench(inputs, tmp_path)
