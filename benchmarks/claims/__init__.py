"""Experiments on the notes' claims: one file each, with ``jobs()`` most telling first and ``rows(found)``.

``ideas/`` has the claims themselves and their verdicts.
"""

from importlib import import_module
from types import ModuleType

NAMES = ("thesis", "difficulty", "rounding", "measures", "storage")
"""Experiments, most telling first."""


def load(name: str) -> ModuleType:
    """The module of the experiment ``name``, one of :data:`NAMES`."""
    return import_module(f"{__name__}.{name}")
