"""A network that goes on learning on its device: corrupted streams, and methods that adapt online in low bits."""

from __future__ import annotations

from lbt.lazy import exports

__getattr__, __dir__ = exports(
    __name__,
    {
        "CORRUPTIONS": "lbt.edge.corruptions",
        "EdgeParams": "lbt.edge.params",
        "METHODS": "lbt.edge.knobs",
        "STREAMS": "lbt.edge.streams",
        "corrupt": "lbt.edge.corruptions",
        "read_deployed": "lbt.edge.read",
    },
)
