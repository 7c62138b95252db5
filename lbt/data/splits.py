"""Fixed, disjoint, stratified splits that depend on the labels alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
        skipped: files that were left out, by reason.
        notes: lines on what a person should look at.
        origin: who cut them, in words.
    """

    train: Images
    validation: Images
    test: Images
    skipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    origin: str = "lbt's"

    def map(self, function: Callable[[str, Images], Images]) -> Splits:
        """The splits with ``function(name of the split, images)`` in place of each one's images."""
        train, validation, test = (function(name, images) for name, images in self.items())
        return replace(self, train=train, validation=validation, test=test)

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


Parts = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Positions of the images for training, validation and test, in an order whose prefixes are stratified."""

RARE = 3
"""A class with fewer labelled images than this cannot be in each of three parts: it is for training only."""


def split(images: Images, validation: int | float, test: int | float) -> Splits:
    """Cut into test, validation and the rest (train); see :func:`divide`."""
    return cut(images, divide(images.labels, validation, test))


def cut(images: Images, parts: Parts) -> Splits:
    """The images at the positions of each part."""
    train, validation, test = (images.take(part) for part in parts)
    return Splits(train, validation, test)


def divide(labels: np.ndarray, validation: int | float, test: int | float) -> Parts:
    """Positions for three parts. Images without a label (-1) all go to train, if enough others have one.

    Args:
        labels: (N,) class numbers.
        validation, test: number of images, or a share in (0, 1) of those that are divided.

    Raises:
        LbtError: nothing would be left for one of the three.
    """
    for pool in (_frequent(labels), np.flatnonzero(labels < 0)):
        tests, validations = (round(len(pool) * n) if isinstance(n, float) else n for n in (test, validation))
        if min(tests, validations) >= 1 and tests + validations <= len(pool) and tests + validations < len(labels):
            order = pool[stratified_order(labels[pool])]
            chosen, rest = order[: tests + validations], order[tests + validations :]
            others = np.setdiff1d(np.arange(len(labels)), pool)
            return np.concatenate([rest, others]), chosen[tests:], chosen[:tests]
    labelled = int((labels >= 0).sum())
    raise LbtError(
        f"{labelled} labelled images and {len(labels) - labelled} without are too few for a train, a validation and a "
        "test split"
    )


def _frequent(labels: np.ndarray) -> np.ndarray:
    """Positions of the images of the classes that have at least ``RARE``."""
    counts = np.bincount(labels[labels >= 0], minlength=1)
    return np.flatnonzero((labels >= 0) & (counts[labels] >= RARE))


def divide_own(labels: np.ndarray, own: Sequence[str | None], share: float, where: str) -> Parts:
    """The user's own parts; a part that the user does not name is the share ``share`` of train.

    Args:
        labels: (N,) class numbers, -1 for none.
        own: train, validation, test, or None (train) for each image.
        share: in (0, 1).
        where: the path, for messages.

    Raises:
        LbtError: nothing is left for training.
    """
    names = np.array([name or "train" for name in own], dtype=object)
    found = {name: np.flatnonzero(names == name) for name in ("train", "validation", "test")}
    found = {name: index[stratified_order(labels[index])] for name, index in found.items()}
    for name in ("validation", "test"):
        if not len(found[name]):
            number = max(1, round(share * len(found["train"])))
            found[name], found["train"] = found["train"][:number], found["train"][number:]
    if not all(len(index) for index in found.values()):
        raise LbtError(f"{where}: too few images for training in the split train")
    return found["train"], found["validation"], found["test"]


def split_published(train: Images, test: Images, validation: int | float) -> Splits:
    """Splits of a data set that is published with its own test set: validation is cut from the published train part."""
    order = stratified_order(train.labels)
    count = round(len(order) * validation) if isinstance(validation, float) else validation
    if not 0 < count < len(order):
        raise LbtError(f"{len(order)} training images are too few for {count} validation images")
    test_order = stratified_order(test.labels)
    return Splits(train.take(order[count:]), train.take(order[:count]), test.take(test_order))
