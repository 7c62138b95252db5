"""The versions that an artifact's provenance names."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata

PACKAGES = ("lbt", "torch", "numpy", "pyarrow", "scikit-learn", "scikit-image", "scipy")


@cache
def versions() -> dict[str, str]:
    """Version of Python and of each package that results may depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}
