"""A package's public names, each imported when it is first asked for: importing the package itself costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def exports(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` (PEP 562) of a package.

    Args:
        package: its ``__name__``.
        homes: public name → module that defines it; with a colon at its end the module itself has the public name.
    """

    def get(name: str) -> Any:
        if name in homes:
            module, whole, _ = homes[name].partition(":")
            return import_module(module) if whole else getattr(import_module(module), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, names
