"""The machine that made a job's results: kept in ``logs/``, apart from the results, which hold nothing of it."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from lbt import reproducible

PACKAGES = (
    "lbt",
    "torch",
    "numpy",
    "numba",
    "pyarrow",
    "scikit-learn",
    "scikit-image",
    "scipy",
    "matplotlib",
    "pillow",
)


def host() -> dict[str, Any]:
    """Versions of Python, of the C library and of each package that results depend on; processor and settings."""
    return {
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()),
        "processor": _processor(),
        "settings": {name: os.environ[name] for name in reproducible.SETTINGS if name in os.environ},
        **{name: metadata.version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
