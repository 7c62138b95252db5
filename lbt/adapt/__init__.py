"""Domain adaptation in low-bit numbers: one method per file in ``lbt/adapt/methods``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {"AdaptParams": "lbt.adapt.params", "METHODS": "lbt.adapt.params", "read_adapted": "lbt.adapt.read"}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'lbt.adapt' has no attribute {name!r}")
