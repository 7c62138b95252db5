"""Readers of what lies on a user's disk, one file per format: ``read(path) -> Listing``.

``SUFFIXES`` of a module are the endings of its files; ``claims(folder)``, where a module has it, says whether a folder
is one of its own.
"""

from __future__ import annotations

from pathlib import Path

from lbt.data.listing import Listing
from lbt.errors import LbtError
from lbt.registry import Registry

READERS = Registry("format", "lbt.data.readers")
PACKED = (".gz", ".bz2", ".xz")


def read(path: Path) -> Listing:
    """The images at ``path``, of whatever format.

    Raises:
        LbtError: there is nothing, no reader knows the format, or the content is wrong.
    """
    modules = [READERS.load(name) for name in READERS.names()]
    if path.is_dir():
        claims = [module for module in modules if hasattr(module, "claims") and module.claims(path)]
        listing: Listing = (claims or [READERS.load("tree")])[0].read(path)
        return listing
    if not path.is_file():
        raise LbtError(f"{path}: no such file or folder")
    ending = suffix(path)
    for module in modules:
        if ending in module.SUFFIXES:
            listing = module.read(path)
            return listing
    accepted = sorted({one for module in modules for one in module.SUFFIXES})
    raise LbtError(f"{path}: found a file of type {ending!r}; accepted: {', '.join(accepted)}, or a folder of images")


def suffix(path: Path) -> str:
    """The suffix that tells the format, in lower case: that of what was packed, for a packed file with one."""
    inner = Path(path.stem).suffix if path.suffix.lower() in PACKED else ""
    name = inner or path.suffix
    return (f".{path.stem.rpartition('-')[2]}" if "ubyte" in path.name and not inner else name).lower()
