"""A weight-sharing network over NAS-Bench-201's cells: train once, score every architecture (one-shot accuracy)."""

from __future__ import annotations

from lbt.lazy import exports

__getattr__, __dir__ = exports(
    __name__,
    {
        "CellNetwork": "lbt.nas.supernet.network",
        "Supernet": "lbt.nas.supernet.shared",
        "SupernetParams": "lbt.nas.supernet.params",
        "cell_network": "lbt.nas.supernet.network",
        "predictions": "lbt.nas.supernet.score",
    },
)
