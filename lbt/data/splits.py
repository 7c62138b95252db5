"""Fixed, disjoint, stratified splits that depend on the labels alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from lbt.artifacts import Images
from lbt.errors import LbtError

SPLIT_SEED = 20191001
"""The splits are part of a domain's definition, not of a run: no params key changes them."""

DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class Splits:
    """A domain's images for training, for choosing (validation) and for the final number (test).

    Attributes:
        skipped: names of files that could not be read as images, and were left out.
    """

    train: Images
    validation: Images
    test: Images
    skipped: tuple[str, ...] = field(default=())

    def map(self, function: Callable[[str, Images], Images]) -> Splits:
        """The splits with ``function(name of the split, images)`` in place of each one's images."""
        train, validation, test = (function(name, images) for name, images in self.items())
        return Splits(train, validation, test, self.skipped)

    def items(self) -> list[tuple[str, Images]]:
        return [("train", self.train), ("validation", self.validation), ("test", self.test)]


def stratified_order(labels: np.ndarray, seed: int = SPLIT_SEED) -> np.ndarray:
    """A random order of the indices in which every prefix has the classes in (nearly) their overall proportions.

    The r-th of a class's n images, in random order, gets the key (r + u)/n with one u in [0, 1) per class; sorting by
    the key spreads each class evenly. Prefixes are nested, so a smaller split is part of a larger one.
    """
    generator = np.random.default_rng(seed)
    keys = np.empty(len(labels))
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        keys[members] = (np.arange(len(members)) + generator.random()) / len(members)
    return np.argsort(keys, kind="stable")


def take(images: Images, index: np.ndarray | slice) -> Images:
    """The images at ``index``."""
    return Images(images.pixels[index], images.labels[index], images.classes)


def split(images: Images, validation: int | float, test: int | float) -> Splits:
    """Cut into test, validation and the rest (train). Images without a label (-1) all go to train.

    Args:
        validation, test: number of images, or a share in (0, 1) of the labelled ones.

    Raises:
        LbtError: nothing would be left for one of the three.
    """
    labelled = np.flatnonzero(images.labels >= 0)
    order = labelled[stratified_order(images.labels[labelled])]
    tests, validations = (round(len(order) * n) if isinstance(n, float) else n for n in (test, validation))
    if min(tests, validations, len(images) - tests - validations) < 1 or tests + validations > len(order):
        raise LbtError(f"{len(order)} labelled images are too few for a train, a validation and a test split")
    rest = np.concatenate([order[tests + validations :], np.flatnonzero(images.labels < 0)])
    return Splits(take(images, rest), take(images, order[tests : tests + validations]), take(images, order[:tests]))


def split_published(train: Images, test: Images, validation: int | float) -> Splits:
    """Splits of a data set that is published with its own test set: validation is cut from the published train part."""
    order = stratified_order(train.labels)
    count = round(len(order) * validation) if isinstance(validation, float) else validation
    if not 0 < count < len(order):
        raise LbtError(f"{len(order)} training images are too few for {count} validation images")
    test_order = stratified_order(test.labels)
    return Splits(take(train, order[count:]), take(train, order[:count]), take(test, test_order))
