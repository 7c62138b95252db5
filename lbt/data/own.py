"""A user's own images: a listing (lbt/data/readers) → labels numbered, what is odd told, and split.

Without a split of the user's: 70 % / 15 % / 15 % per class, by user or time where the data say them
(:mod:`lbt.data.grouped`). Images without labels are for training only, unless too few
have one for three parts: then validation and test are cut from those without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lbt.artifacts import UNKNOWN, Images, renumber
from lbt.data.grouped import RULES, Division, grouped
from lbt.data.labels import number
from lbt.data.listing import Decoded, Listing, Skipped, count, some
from lbt.data.params import DomainSpec
from lbt.data.splits import RARE, Splits, cut, divide_own
from lbt.errors import LbtError, unknown

SHARE = 0.15
"""Share of the labelled images for validation, and for the test."""
DARK = 32
"""Brightness below which a whole set looks like a mistake."""


@dataclass(frozen=True)
class Headers:
    """A domain of the user's, as far as it can be known without decoding an image.

    Attributes:
        listing: what was found.
        index: (N,) positions in the listing of the images that the spec asks for.
        labels: (N,) class numbers, -1 for none.
        classes: class names.
        notes: lines on what was found.
        split_by: the rule of the split that the spec asks for.
    """

    listing: Listing
    index: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    split_by: str | None = None

    def divided(self, kept: np.ndarray | slice = slice(None)) -> Division:
        """The images for training, validation and test, by their positions among ``kept``."""
        labels, index, listing = self.labels[kept], self.index[kept].tolist(), self.listing
        if listing.splits is not None:
            own = [listing.splits[n] for n in index]
            return Division(divide_own(labels, own, SHARE, listing.where), "the data's own")
        columns = {name: [cells[n] for n in index] for name, cells in listing.columns.items() if name in RULES}
        return grouped(labels, columns, self.split_by, SHARE, listing.where)

    def counts(self) -> dict[str, int]:
        """Labelled images by class."""
        numbers = np.bincount(self.labels[self.labels >= 0], minlength=len(self.classes))
        return dict(zip(self.classes, numbers.tolist(), strict=True))


def headers(listing: Listing, spec: DomainSpec) -> Headers:
    """Number the labels, and choose the classes that ``spec`` asks for.

    Raises:
        LbtError: a label is no class, a class that is asked for is not there, or there are fewer than two.
    """
    where = listing.where
    numbered = number(listing.labels, listing.names, where, spec.classes)
    labels, classes = numbered.labels, numbered.classes
    index = np.arange(len(labels))
    if spec.classes is not None and classes != tuple(spec.classes):
        for name in spec.classes:
            if name not in classes:
                raise unknown("class", name, classes, where)
        chosen = renumber(labels, classes, spec.classes)
        index = np.flatnonzero(chosen != UNKNOWN)
        labels, classes = chosen[index], tuple(spec.classes)
    if len(classes) < 2 and (labels >= 0).all() and len(labels):
        raise LbtError(f"{where}: found {count(len(classes), 'class', 'classes')}; expected at least 2")
    return Headers(listing, index, labels, classes, (*listing.notes, *numbered.notes), spec.split_by)


def assemble(listing: Listing, spec: DomainSpec) -> Splits:
    """Decode and split.

    Raises:
        LbtError: see :func:`headers`; too many files are skipped, or a class has no image.
    """
    heads = headers(listing, spec)
    images, decoded = decode(heads, spec)
    labels = images.labels
    partly = bool((labels < 0).any())
    found = np.bincount(labels[labels >= 0], minlength=len(heads.classes))
    empty = [name for name, n in zip(heads.classes, found, strict=True) if not n]
    notes = [*heads.notes, *decoded.notes]
    if empty and partly and found.any():
        notes.append(f"{listing.where}: no labelled image in class {some(empty)}")
    elif empty and found.any():
        listed = heads.counts()[empty[0]]
        none = f": none of its {listed} images can be read" if listed else ""
        raise LbtError(f"{listing.where}: class {empty[0]} is empty{none}")
    notes += _odd(decoded.pixels, labels, heads.classes, listing.where)
    division = heads.divided(decoded.kept)
    notes += division.notes
    splits = cut(images, division.parts)
    if listing.splits is not None:
        notes += _unlabelled_parts(splits, listing.where)
    return replace(splits, skipped=merged(decoded.skipped), notes=tuple(notes), origin=division.origin)


def decode(heads: Headers, spec: DomainSpec) -> tuple[Images, Decoded]:
    """All images of ``heads`` that can be read, with their labels and columns; and how the reading went.

    Returns:
        The images, in the order of the listing, and what the listing's ``decode`` gave, with everything that was
        skipped.

    Raises:
        LbtError: too many files are skipped.
    """
    listing = heads.listing
    decoded = listing.decode(heads.index, spec.size)
    decoded = replace(decoded, skipped=merged(listing.skipped, decoded.skipped))
    if not len(decoded.kept):
        raise LbtError(f"{listing.where}: none of its {len(heads.index)} images can be read")
    check_skipped(decoded.skipped, len(decoded.kept), spec.max_skipped, listing.where)
    kept = heads.index[decoded.kept].tolist()
    columns = {name: [cells[n] for n in kept] for name, cells in _columns(listing).items()}
    return Images(decoded.pixels, heads.labels[decoded.kept].astype(np.int64), heads.classes, columns), decoded


def _columns(listing: Listing) -> dict[str, Sequence[object]]:
    """The columns of the image table beside image and label, the user's own split among them."""
    return {**listing.columns, **({} if listing.splits is None else {"split": listing.splits})}


def merged(*all_skipped: Skipped) -> dict[str, tuple[str, ...]]:
    """Files that were skipped, by reason, of several readings together."""
    reasons = dict.fromkeys(reason for skipped in all_skipped for reason in skipped)
    return {reason: tuple(name for one in all_skipped for name in one.get(reason, ())) for reason in reasons}


def too_many_skipped(skipped: Skipped, taken: int, most: float, where: str) -> str:
    """The reason to refuse a domain of which more than the share ``most`` is skipped; empty if no more is."""
    left = sum(map(len, skipped.values()))
    if left <= most * (left + taken):
        return ""
    reasons = "; ".join(f"{len(names)} {reason}: {some(names)}" for reason, names in skipped.items())
    found = f"{left} of {left + taken} files would be skipped ({reasons})"
    return f"{where}: {found}; max_skipped allows more than {most}"


def check_skipped(skipped: Skipped, taken: int, most: float, where: str) -> None:
    """Refuse a domain of which more than the share ``most`` is skipped."""
    if refusal := too_many_skipped(skipped, taken, most, where):
        raise LbtError(refusal)


def _odd(pixels: np.ndarray, labels: np.ndarray, classes: Sequence[str], where: str) -> list[str]:
    """Lines on images and classes that may be a mistake."""
    notes = []
    flat = pixels.reshape(len(pixels), -1)
    most = flat.max(axis=1)
    plain = np.flatnonzero(most == flat.min(axis=1))
    if len(plain):
        black = int((flat[plain, 0] == 0).sum())
        notes.append(f"{where}: {count(len(plain), 'image')} of one colour ({black} black), first number {plain[0]}")
    if 1 < (brightest := int(most.max())) < DARK:
        notes.append(f"{where}: no pixel is over {brightest} of 255: nearly black; are they masks of class numbers?")
    for size in range(1, RARE):
        few = [name for n, name in enumerate(classes) if (labels == n).sum() == size]
        if few:
            notes.append(f"{where}: {count(size, 'image')} in class {some(few)}: for training only")
    return notes


def _unlabelled_parts(splits: Splits, where: str) -> list[str]:
    parts = [name for name, images in splits.items() if name != "train" and not (images.labels >= 0).any()]
    known = bool((splits.train.labels >= 0).any())
    return (
        [f"{where}: no label in the {' and '.join(parts)} split: accuracy is not measured"] if parts and known else []
    )


def told(notes: Sequence[str], skipped: Mapping[str, Sequence[str]]) -> list[str]:
    """Every line that a person should see of a domain: notes, and what was skipped by reason."""
    return [*notes, *(f"skipped {count(len(n), 'file')}, {reason}: {some(n)}" for reason, n in skipped.items())]
