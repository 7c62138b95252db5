"""Things that are added by adding one file: the file's name is the thing's name.

A registry lists a package's modules without importing them, so that a params file can be validated (and an error can
name the nearest spelling) without paying for torch. A module whose name starts with ``_`` is a helper, not an entry.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from lbt.errors import unknown

ROOT = Path(__file__).resolve().parent


class Registry:
    """The modules of one package, by name.

    Args:
        kind: what an entry is called in an error message, such as ``"domain"``.
        package: dotted name of the package below ``lbt`` that holds one module per entry.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package

    def names(self) -> list[str]:
        """Sorted names of all entries; nothing is imported."""
        folder = ROOT.joinpath(*self.package.split(".")[1:])
        return sorted(m.name for m in pkgutil.iter_modules([str(folder)]) if not m.name.startswith("_"))

    def check(self, name: str, where: str = "") -> str:
        """Return ``name`` if it is an entry; raise :class:`LbtError` with the nearest spelling otherwise."""
        if name not in self.names():
            raise unknown(self.kind, name, self.names(), where)
        return name

    def load(self, name: str, where: str = "") -> ModuleType:
        """Import and return the module of the entry ``name``."""
        return importlib.import_module(f"{self.package}.{self.check(name, where)}")
