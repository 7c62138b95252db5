"""Facts of a domain before any image of it is read: classes, and how many labelled images each part has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lbt.data.domains import DOMAINS
from lbt.data.listing import count, some
from lbt.data.own import check_skipped, headers, told
from lbt.data.params import DomainSpec
from lbt.errors import LbtError, nearest


@dataclass(frozen=True)
class Peek:
    """A domain by its headers.

    Attributes:
        classes: class names, in order.
        labelled: part (train, validation, test) → class → labelled images; None where every image has a label and
            nobody has counted them.
        bare: part → images without a label; empty where every image has one.
        notes: lines on what looks odd.
    """

    classes: tuple[str, ...]
    labelled: dict[str, dict[str, int]] | None = None
    bare: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def count(self, part: str) -> int | None:
        """Labelled images of a part; None where all have a label."""
        return None if self.labelled is None else sum(self.labelled[part].values())


def peek(spec: DomainSpec, name: str) -> Peek:
    """Look at a domain's headers.

    Raises:
        LbtError: what :func:`lbt.data.load_domain` would refuse by its headers.
    """
    module = DOMAINS.load(spec.kind)
    if not hasattr(module, "listing"):
        return Peek(tuple(spec.classes or module.CLASSES))
    try:
        listing = module.listing(spec)
        found = headers(listing, spec)
        check_skipped(listing.skipped, len(found.index), spec.max_skipped, listing.where)
        division = found.divided()
        parts = dict(zip(("train", "validation", "test"), division.parts, strict=True))
    except LbtError as error:
        raise LbtError(f"data.domains.{name}: {error}") from None
    limits = {"train": spec.train, "validation": spec.validation, "test": spec.test}
    labelled, bare = {}, {}
    for part, index in parts.items():
        labels = found.labels[index[: limits[part]]]
        counts = np.bincount(labels[labels >= 0], minlength=len(found.classes)).tolist()
        labelled[part] = dict(zip(found.classes, counts, strict=True))
        bare[part] = int((labels < 0).sum())
    lines = told((*found.notes, *division.notes), listing.skipped)
    return Peek(found.classes, labelled, bare, [f"data.domains.{name}: {line}" for line in lines])


def class_lines(source: str, known: Sequence[str], target: str, asked: Sequence[str]) -> list[str]:
    """Lines on classes that one of two domains lacks, for a network that learns the classes of the source.

    Args:
        source, target: names of the domains.
        known, asked: their classes; no line where the target names none.
    """
    strange = [name for name in asked if name not in known]
    absent = [name for name in known if asked and name not in asked]
    lines = []
    if strange:
        near = nearest(strange[0], known)
        lines.append(
            f"{source} → {target}: {target} has classes that {source} lacks, {some(strange)}{near}: unknown to the "
            "network, left out of its accuracy"
        )
    if absent:
        lines.append(f"{source} → {target}: {target} lacks {count(len(absent), 'class', 'classes')}, {some(absent)}")
    return lines
