"""Hardware cost of low-bit training: operations, memory, area from synthesis, schedule, energy, boards.

Importing this package imports neither torch nor Amaranth.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Board": "lbt.hardware.boards",
    "Cost": "lbt.hardware.estimate",
    "Precision": "lbt.hardware.precision",
    "compare": "lbt.hardware.explore",
    "cost": "lbt.hardware.estimate",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'lbt.hardware' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
