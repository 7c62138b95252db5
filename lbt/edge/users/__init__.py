"""Users of one backbone: personal channel masks, training in low bits under a budget, and packages of kilobytes."""

from __future__ import annotations

from lbt.lazy import exports

__getattr__, __dir__ = exports(
    __name__,
    {
        "CRITERIA": "lbt.edge.users.masks",
        "Options": "lbt.edge.users.options",
        "Resident": "lbt.edge.users.package",
        "SETS": "lbt.edge.users.people",
        "TRAINS": "lbt.edge.users.trains",
        "compact": "lbt.edge.users.structure",
        "masked": "lbt.edge.users.structure",
        "person": "lbt.edge.users.people",
        "personalise": "lbt.edge.users.personal",
        "read_package": "lbt.edge.users.package",
        "read_people": "lbt.edge.users.people",
    },
)
