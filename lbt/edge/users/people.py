"""Images with their users and times, and what one user gives to learn from.

Users come from the column ``user`` of an image table or of a label table, or from a folder of folders, one a user;
times from the column ``time``. Everything else works on arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lbt.artifacts import Images
from lbt.data.images import convert
from lbt.data.inputs import to_input
from lbt.data.splits import stratified_order
from lbt.errors import LbtError, unknown, warn
from lbt.registry import Registry
from lbt.train.batches import Examples

SETS = Registry("set of users", "lbt.edge.users.sets")
SEED = 20191001

FEWEST = 2
"""Images of a user that is personalised for: one to adapt with, one to test on."""


@dataclass(frozen=True)
class People:
    """Images of several users.

    Attributes:
        images: pixels, labels (-1 for none) and class names.
        users: (N,) name of each image's user.
        times: (N,) seconds; None where nobody told.
    """

    images: Images
    users: np.ndarray
    times: np.ndarray | None = None

    def names(self) -> list[str]:
        """The users, sorted."""
        return sorted(set(self.users.tolist()))

    def too_few(self) -> list[str]:
        """The users with fewer than ``FEWEST`` images, sorted."""
        names, counts = np.unique(self.users.astype(str), return_counts=True)
        return names[counts < FEWEST].tolist()

    def resized(self, channels: int, size: int) -> People:
        """The same with images of a network's number of channels and size."""
        return replace(self, images=convert(self.images, channels, size))

    def others(self, users: list[str]) -> Images:
        """The images of everybody but ``users``."""
        return self.images.take(np.flatnonzero(~np.isin(self.users, users)))


@dataclass(frozen=True)
class Person:
    """A user's data: the images that the device has, and later ones that tell how well it did.

    Attributes:
        name: the user.
        early: images to adapt with; the label is -1 but where it is given away.
        later: images after those, for evaluation alone.
        answers: (N,) int64, the label that the user would give to each early image if asked; -1 for none.
    """

    name: str
    early: Examples
    later: Examples
    answers: Tensor


def person(people: People, name: str, labels: int) -> Person:
    """One user's first half, with ``labels`` labels a class, and the second half.

    The order is that of time. Without times each half has the classes in their proportions.

    Args:
        people: all users.
        name: the user.
        labels: labels a class that the user gives, 0 or more; the earliest ones.

    Raises:
        LbtError: there is no such user, or the user has fewer than two images.
    """
    if name not in people.names():
        raise unknown("user", name, people.names())
    mine = np.flatnonzero(people.users == name)
    if len(mine) < FEWEST:
        raise few(name)
    if people.times is None:
        mine = mine[stratified_order(people.images.labels[mine], SEED)]
    else:
        mine = mine[np.argsort(people.times[mine], kind="stable")]
    first, last = mine[: (len(mine) + 1) // 2], mine[(len(mine) + 1) // 2 :]
    truth = people.images.labels[first]
    given = np.full(len(first), -1)
    for label in range(len(people.images.classes)):
        chosen = np.flatnonzero(truth == label)[:labels]
        given[chosen] = label
    early = _examples(people.images, first, given, f"user/{name}")
    later = _examples(people.images, last, people.images.labels[last], f"user/{name}/later")
    return Person(name, early, later, torch.from_numpy(truth.astype(np.int64)))


def few(name: str) -> LbtError:
    """The error for a user of :meth:`People.too_few`."""
    return LbtError(f"user {name!r}: 1 image; accepted: {FEWEST} or more, to adapt with and to test on")


def _examples(images: Images, index: np.ndarray, labels: np.ndarray, name: str) -> Examples:
    pixels = to_input(images.pixels[index])
    return Examples(pixels, torch.from_numpy(labels.astype(np.int64)), images.classes, name)


def read_people(path: str, layout: str | None = None, name: str | None = None) -> People:
    """Users in an embedded set (a file of ``lbt/edge/users/sets``), or in any images that `lbt look` reads.

    Args:
        path: name of a set, file or folder.
        layout: meaning of the folders, see :mod:`lbt.data.layout`. Default: by their names; folders in folders are
            users and their classes.
        name: pattern of file names, see :mod:`lbt.data.names`.

    Raises:
        LbtError: unreadable, without users, or an image of nobody.
    """
    if path in SETS.names():
        found: People = SETS.load(path).load()
        return found
    if not Path(path).exists():
        raise unknown("set of users, or file or folder", path, SETS.names())
    images = _read(Path(path), layout, name)
    users = images.columns.get("user")
    if users is None:
        raise LbtError(
            f"{path}: no column user; accepted: a column user in the table or CSV, a folder for each user, or file "
            "names that hold it (--name '{label}_{user}_{index}')"
        )
    if nobody := sum(user is None for user in users):
        raise LbtError(f"{path}: column user: {nobody} of {len(users)} images have none")
    times = images.columns.get("time")
    missing = sum(time is None for time in times or [])
    if times is not None and 0 < missing < len(times):
        warn(
            f"{path}: column time: {missing} of {len(times)} images have none; the halves are stratified, not in order"
        )
    known = times is not None and not missing
    return People(images, np.array(users, dtype=object), np.array(times, float) if known else None)


def _read(path: Path, layout: str | None, name: str | None) -> Images:
    """All images at ``path`` with their columns."""
    from lbt.data.own import decode, headers
    from lbt.edge.own import read_listing, spec_of

    listing = read_listing(path, layout, name)
    if "user" not in listing.columns and path.is_dir() and _folders_of_users(path):
        listing = read_listing(path, "user/class", name)
    spec = spec_of(path)
    images, _ = decode(headers(listing, spec), spec)
    return images


def _folders(path: Path) -> list[Path]:
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def _folders_of_users(path: Path) -> bool:
    """True if every folder holds folders itself (of classes), and none an image."""
    return bool(_folders(path)) and all(_folders(folder) for folder in _folders(path))
