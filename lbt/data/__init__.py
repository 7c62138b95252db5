"""Domains: labelled image sets with a name, brought to one form whatever they come from.

``load_domain(spec)`` gives the three fixed splits of a domain, ``to_float`` the tensor that a network eats.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "DataParams": "lbt.data.params",
    "DomainSpec": "lbt.data.params",
    "Splits": "lbt.data.splits",
    "load_domain": "lbt.data.load",
    "match_classes": "lbt.data.images",
    "to_float": "lbt.data.images",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'lbt.data' has no attribute {name!r}")
