"""A user's folder of image files, with class folders, a table of labels, or neither: :mod:`lbt.data.readers.tree`."""

from __future__ import annotations

from pathlib import Path

from lbt.data.listing import Listing
from lbt.data.own import assemble
from lbt.data.params import DomainSpec
from lbt.data.readers import tree
from lbt.data.splits import Splits


def listing(spec: DomainSpec) -> Listing:
    """The images under ``spec.path``, not decoded."""
    return tree.read(Path(spec.path or ""), spec.layout, spec.name)


def load(spec: DomainSpec) -> Splits:
    """The images under ``spec.path``."""
    return assemble(listing(spec), spec)
