"""A stream of batches: images of one domain in the order of a protocol, corrupted as they arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lbt.artifacts import Images, numbered, read_images
from lbt.data.images import convert
from lbt.data.inputs import to_input
from lbt.edge.corruptions import corrupt
from lbt.edge.streams import CLEAN, STREAMS, Setting
from lbt.errors import LbtError
from lbt.models import Architecture


@dataclass(frozen=True)
class Batch:
    """Images that arrive together.

    Attributes:
        images: (B, C, H, W) float32, a network's input.
        labels: (B,) int64; -1 for none.
        image: (B,) number of each image in its table.
        corruption: (B,) number of its corruption; -1 where it is as it was.
    """

    images: Tensor
    labels: Tensor
    image: np.ndarray
    corruption: np.ndarray


class Stream:
    """Batches of a stream by their number, each computed when it is asked for.

    Args:
        images: uint8 images at the network's size and number of channels, labels in the network's order.
        protocol: a file of ``lbt/edge/streams``.
        corruptions: names of files of ``lbt/edge/corruptions``.
        severity: 1 to 5.
        seed: of the order and of the corruptions.
        batch: images that arrive together.
        dirichlet: concentration of the class shares of ``correlated``.
        where: name of the images, for an error.

    Raises:
        LbtError: no image, or the protocol does not accept the images.
    """

    def __init__(
        self,
        images: Images,
        protocol: str,
        corruptions: Sequence[str],
        severity: int,
        *,
        seed: int,
        batch: int,
        dirichlet: float = 0.1,
        where: str = "images",
    ) -> None:
        if not len(images):
            raise LbtError(f"{where}: holds no image")
        self.images, self.corruptions = images, tuple(corruptions)
        self.severity, self.seed, self.size = severity, seed, batch
        times = images.columns.get("time")
        setting = Setting(images.labels, len(self.corruptions), seed, dirichlet, times, where)
        self.order = STREAMS.load(protocol).order(setting)

    def __len__(self) -> int:
        """Number of batches; the last one may be smaller."""
        return -(-len(self.order.image) // self.size)

    def batch(self, step: int) -> Batch:
        """Batch number ``step``, 0 or more and below the length."""
        part = slice(step * self.size, (step + 1) * self.size)
        image, corruption = self.order.image[part], self.order.corruption[part]
        pixels = self.images.pixels[image]
        for number in np.unique(corruption[corruption != CLEAN]):
            here = corruption == number
            name = self.corruptions[number]
            pixels[here] = corrupt(pixels[here], name, self.severity, seed=self.seed, index=image[here])
        return Batch(to_input(pixels), torch.from_numpy(self.images.labels[image]), image, corruption)


def read_stream_images(path: Path, architecture: Architecture, most: int | None, seed: int) -> Images:
    """The images of a Parquet table as ``architecture`` takes them, ``most`` of them chosen by the seed (None: all).

    Raises:
        LbtError: unreadable, or classes that are not the network's.
    """
    images = read_images(path)
    labels = numbered(images.labels, images.classes, architecture.classes, path)
    images = Images(images.pixels, labels, architecture.classes, images.columns)
    if most is not None and most < len(images):
        images = images.take(np.sort(np.random.default_rng([seed, 3]).permutation(len(images))[:most]))
    return convert(images, architecture.channels, architecture.size)
