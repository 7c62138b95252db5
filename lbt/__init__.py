"""lbt: low-bit training for small accelerators.

The library's front door; everything is imported on first use, so that ``import lbt`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Recipe": "lbt.numerics.recipe",
    "quantize": "lbt.nn",
    "explain": "lbt.nn",
    "cost": "lbt.hardware",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'lbt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
