"""A weight-sharing network over NAS-Bench-201's cells: train once, score every architecture (one-shot accuracy)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "CellNetwork": "lbt.nas.supernet.network",
    "Supernet": "lbt.nas.supernet.shared",
    "SupernetParams": "lbt.nas.supernet.params",
    "cell_network": "lbt.nas.supernet.network",
    "predictions": "lbt.nas.supernet.score",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'lbt.nas.supernet' has no attribute {name!r}")
