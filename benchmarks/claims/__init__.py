"""Experiments on the notes' claims: one file each, with ``jobs()`` most telling first and ``rows(found)``.

``ideas/`` has the claims themselves and their verdicts.
"""

from importlib import import_module
from types import ModuleType
from typing import Any

NAMES = (
    "thesis",
    "difficulty",
    "rounding",
    "measures",
    "storage",
    "flow",
    "embedding",
    "guided",
    "server",
    "noise",
    "sharing",
    "seminas",
    "parts",
    "device",
    "labels",
    "following",
    "widening",
    "adapting",
    "proxies",
)
"""Experiments, most telling first."""


def load(name: str) -> ModuleType:
    """The module of the experiment ``name``, one of :data:`NAMES`."""
    return import_module(f"{__name__}.{name}")


def rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of all experiments that have finished jobs; a job's name begins with its experiment's."""
    made = []
    for name in NAMES:
        mine: dict[str, dict[int, dict[str, Any]]] = {}
        for one in found:
            experiment, _, job = one["job"].partition("/")
            if experiment == name:
                mine.setdefault(job, {})[one["seed"]] = one
        made += load(name).rows(mine) if mine else []
    return made
