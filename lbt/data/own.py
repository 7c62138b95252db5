"""A user's own images: a listing (lbt/data/readers) → labels numbered, what is odd told, and split.

Without a split of the user's: 70 % / 15 % / 15 % per class. Images without labels are for training only, unless too few
have one for three parts: then validation and test are cut from those without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lbt.artifacts import Images, renumber
from lbt.data.labels import number
from lbt.data.listing import Decoded, Listing, Skipped, count, some
from lbt.data.params import DomainSpec
from lbt.data.splits import RARE, Parts, Splits, cut, divide, divide_own
from lbt.errors import LbtError, unknown

SHARE = 0.15
"""Share of the labelled images for validation, and for the test."""


@dataclass(frozen=True)
class Headers:
    """A domain of the user's, as far as it can be known without decoding an image.

    Attributes:
        listing: what was found.
        index: (N,) positions in the listing of the images that the spec asks for.
        labels: (N,) class numbers, -1 for none.
        classes: class names.
        notes: lines on what was found.
    """

    listing: Listing
    index: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    notes: tuple[str, ...]

    def parts(self, kept: np.ndarray | slice = slice(None)) -> Parts:
        """Positions (among ``kept``) of the images for training, validation and test."""
        labels = self.labels[kept]
        if self.listing.splits is None:
            return divide(labels, SHARE, SHARE)
        return divide_own(labels, [self.listing.splits[n] for n in self.index[kept]], SHARE, self.listing.where)

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
        index = np.flatnonzero(chosen > -2)
        labels, classes = chosen[index], tuple(spec.classes)
    if len(classes) < 2 and (labels >= 0).all() and len(labels):
        raise LbtError(f"{where}: found {count(len(classes), 'class', 'classes')}; expected at least 2")
    return Headers(listing, index, labels, classes, (*listing.notes, *numbered.notes))


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
    parts = heads.parts(decoded.kept)
    splits = cut(images, parts)
    if listing.splits is not None:
        notes += _unlabelled_parts(splits, listing.where)
    return Splits(splits.train, splits.validation, splits.test, merged(decoded.skipped), tuple(notes))


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


def check_skipped(skipped: Skipped, taken: int, most: float, where: str) -> None:
    """Refuse a domain of which more than the share ``most`` is skipped."""
    left = sum(map(len, skipped.values()))
    if left > most * (left + taken):
        reasons = "; ".join(f"{len(names)} {reason}: {some(names)}" for reason, names in skipped.items())
        raise LbtError(
            f"{where}: {left} of {left + taken} files would be skipped ({reasons}); max_skipped allows more than {most}"
        )


def _odd(pixels: np.ndarray, labels: np.ndarray, classes: Sequence[str], where: str) -> list[str]:
    """Lines on images and classes that may be a mistake."""
    notes = []
    flat = pixels.reshape(len(pixels), -1)
    plain = np.flatnonzero(flat.max(axis=1) == flat.min(axis=1))
    if len(plain):
        black = int((flat[plain, 0] == 0).sum())
        notes.append(f"{where}: {count(len(plain), 'image')} of one colour ({black} black), first number {plain[0]}")
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
