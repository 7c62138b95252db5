"""Domain adaptation in low-bit numbers: one method per file in ``lbt/adapt/methods``."""

from __future__ import annotations

from lbt.lazy import exports

__getattr__, __dir__ = exports(
    __name__,
    {"AdaptParams": "lbt.adapt.params", "METHODS": "lbt.adapt.params", "read_adapted": "lbt.adapt.read"},
)
