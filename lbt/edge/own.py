"""A user's own images for the commands that work without a params file."""

from __future__ import annotations

from pathlib import Path

from lbt.data import DomainSpec, readers
from lbt.data.listing import Listing
from lbt.data.readers import tree


def read_listing(path: Path, layout: str | None = None, name: str | None = None) -> Listing:
    """The images at ``path``, of any format that `lbt look` reads, not decoded.

    Args:
        path: file or folder.
        layout: meaning of the folders, see :mod:`lbt.data.layout`. Default: by their names.
        name: pattern of file names, see :mod:`lbt.data.names`.

    Raises:
        LbtError: unreadable, or of no known format.
    """
    return tree.read(path, layout, name) if layout or name else readers.read(path)


def spec_of(path: Path) -> DomainSpec:
    """The default choices of a domain, for images outside of a workspace."""
    return DomainSpec(kind="arrays", path=path.name)
