"""Batches that are a pure function of (seed, step): a resumed run sees what an uninterrupted one would have seen."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from lbt.artifacts import read_images
from lbt.data.inputs import to_input
from lbt.errors import LbtError
from lbt.train.augmentation import augment
from lbt.train.stored import Stored

LARGE = 1 << 29
"""Bytes of floats above which a set is kept as bytes."""


@dataclass(frozen=True)
class Examples:
    """Images and labels.

    Attributes:
        images: (N, C, H, W) float32 in the range of :mod:`lbt.data.inputs`, channels last; a set that is too large for
            the memory gives such tensors when it is indexed.
        labels: (N,) int64; negative where there is none, or none of these classes (``lbt.artifacts.UNKNOWN``).
        classes: class names.
        name: names the random stream of its batches, for example ``"source/train"``.
    """

    images: Tensor | Stored
    labels: Tensor
    classes: tuple[str, ...]
    name: str = field(default="")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def whole(self) -> Tensor:
        """All images as one tensor, for sets that are small: those of one user."""
        return self.images[:]

    def labelled(self) -> Examples:
        """Only the images that have a label."""
        known = torch.nonzero(self.labels >= 0).flatten()
        return self if len(known) == len(self) else self.take(known)

    def take(self, index: Tensor) -> Examples:
        """The images at ``index`` (int64, (M,))."""
        images = self.images.subset(index) if isinstance(self.images, Stored) else self.images[index]
        return Examples(images, self.labels[index], self.classes, self.name)


def read_examples(path: Path, channels: int, size: int, name: str) -> Examples:
    """A Parquet image table as a network's input (:mod:`lbt.data.inputs`), ``channels`` × ``size`` × ``size``.

    Raises:
        LbtError: unreadable, or without any image.
    """
    images = read_images(path)
    if not len(images):
        raise LbtError(f"{path}: holds no image")
    large = 4 * len(images) * channels * size * size > LARGE
    inputs = Stored(images.pixels, channels, size) if large else to_input(images, channels, size)
    return Examples(inputs, torch.from_numpy(images.labels), images.classes, name)


def generator(*key: int | str) -> torch.Generator:
    """A fresh generator for ``key``: any run that asks for the same key gets the same numbers."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little"))


@lru_cache(maxsize=16)
def _permutation(count: int, seed: int, name: str, epoch: int) -> Tensor:
    return torch.randperm(count, generator=generator(seed, name, "epoch", epoch))


def indices(count: int, batch: int, seed: int, name: str, step: int) -> Tensor:
    """Indices of the ``batch`` examples of ``count`` at ``step``: consecutive pieces of one permutation per epoch."""
    first = step * batch
    epochs = range(first // count, (first + batch - 1) // count + 1)
    order = torch.cat([_permutation(count, seed, name, epoch) for epoch in epochs])
    start = first - epochs.start * count
    return order[start : start + batch]


def draw(split: Examples, batch: int, seed: int, step: int, *kinds: str) -> tuple[list[Tensor], Tensor]:
    """The batch of step ``step``: an augmentation of the same images for each of ``kinds``, and the labels."""
    index = indices(len(split), batch, seed, split.name, step)
    return views(split, index, seed, step, *kinds), split.labels[index]


def views(split: Examples, index: Tensor, seed: int, step: int, *kinds: str) -> list[Tensor]:
    """The images at ``index`` (int64, (M,)), augmented anew for each of ``kinds``."""
    images = split.images[index]
    return [augment(images, k, generator(seed, split.name, "view", view, step)) for view, k in enumerate(kinds)]
