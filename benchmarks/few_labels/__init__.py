"""Experiments on getting by with fewer labels: one file each, ``run(table, target, seed) -> {name: value}``."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def load(name: str) -> ModuleType:
    """The module of the experiment ``name``, one of :data:`NAMES`."""
    return import_module(f"{__name__}.{name}")
