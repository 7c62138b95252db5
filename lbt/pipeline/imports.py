"""The files of ``lbt/`` on which a module rests, found in the text of its imports: nothing is imported.

An import counts wherever it stands, in a function too, but not where only a type checker sees it. A name that
:func:`lbt.lazy.exports` gives away counts as an import of its home where the name is imported, and all of them count
where the package itself is. A registry counts as every module of its package.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lbt.errors import LbtError, one_line

PACKAGE = "lbt"
MOST = 2 / 3
"""Share of a folder's files that have to be needed for the folder to stand in their place."""


@dataclass(frozen=True)
class Module:
    """The names of lbt's that stand in a Python file.

    Attributes:
        imports: (module, name) of each import; the name is empty where the module itself is imported.
        homes: exported name → dotted name of the module that defines it, from its dictionaries.
        registries: packages whose modules it loads by name.
    """

    imports: tuple[tuple[str, str], ...]
    homes: dict[str, str]
    registries: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Module:
        """The names in the file ``path``.

        Raises:
            LbtError: the file is not Python.
        """
        try:
            nodes = list(_executed(ast.parse(path.read_text(encoding="utf-8"))))
        except (SyntaxError, ValueError) as error:
            raise LbtError(f"{path}: not valid Python: {one_line(error)}") from None
        homes = {
            _text(key): _text(value)
            for node in nodes
            if isinstance(node, ast.Dict)
            for key, value in zip(node.keys, node.values, strict=True)
            if _ours(_text(value))
        }
        registries = [_text(a) for n in nodes if isinstance(n, ast.Call) and _called(n) == "Registry" for a in n.args]
        strings = {_text(node) for node in nodes} - {*homes.values(), *registries, PACKAGE}  # import_module("lbt.…")
        imports = [pair for node in nodes for pair in _imports(node)] + [(text, "") for text in sorted(strings)]
        return cls(tuple(pair for pair in imports if _ours(pair[0])), homes, tuple(filter(_ours, registries)))


class Imports:
    """The import graph of a tree, read as far as it is asked for.

    Args:
        root: the folder that holds ``lbt/``.
        beside: files, and folders with a slash at their end, that are neither followed nor in a result unless they are
            what is started from.
    """

    def __init__(self, root: Path = Path(), beside: Iterable[str] = ()) -> None:
        self.root = root
        self.beside = tuple(beside)
        self._modules: dict[Path, Module] = {}

    def closure(self, starts: Iterable[str]) -> set[str]:
        """The files of ``lbt/`` that ``starts`` import, directly or not, and ``starts``, as paths below the root.

        The packages' own files are among them, and the files beside a module that are not Python.
        """
        kept = {self.root / start for start in starts}
        found, queue = set[Path](), list(kept)
        while queue:
            file = queue.pop()
            if file not in found and (file in kept or not self._name(file).startswith(self.beside)):
                found.add(file)
                queue += self._followed(self._module(file))
        data = {other for folder in {file.parent for file in found} for other in folder.iterdir() if _is_data(other)}
        return {self._name(file) for file in found | data}

    def folded(self, files: Iterable[str]) -> list[str]:
        """``files``, sorted, with a folder in the place of its files where most of what it holds is among them.

        ``lbt/`` itself stays open.
        """
        wanted = {self.root / file for file in files}

        def fold(folder: Path) -> list[Path]:
            below = [path for path in folder.rglob("*") if _counts(path)]
            needed = [path for path in below if path in wanted]
            if folder != self.root / PACKAGE and len(needed) > MOST * len(below):
                return [folder]
            inner = [path for other in folder.iterdir() if other.is_dir() for path in fold(other)]
            return [path for path in needed if path.parent == folder] + inner

        return sorted(self._name(path) for path in fold(self.root / PACKAGE))

    def _followed(self, module: Module) -> Iterator[Path]:
        """The files that one module leads to."""
        for package, name in module.imports:
            yield from self._with_parents(package)
            inner = self._file(f"{package}.{name}") if name else self._file(package)
            if inner is not None:
                yield inner
                homes = list(self._module(inner).homes.values())
            else:
                outer = self._file(package)
                homes = [self._module(outer).homes.get(name, "")] if outer else []
            for home in filter(None, homes):
                yield from self._with_parents(home)
        for package in module.registries:
            folder = self.root.joinpath(*package.split("."))
            yield from (*folder.glob("*.py"), *folder.glob("*/__init__.py"))

    def _with_parents(self, dotted: str) -> Iterator[Path]:
        """The file of a module and those of the packages that it lies in, as far as there are such files."""
        parts = dotted.split(".")
        files = [self._file(".".join(parts[:length])) for length in range(1, len(parts) + 1)]
        return filter(None, files)

    def _file(self, dotted: str) -> Path | None:
        path = self.root.joinpath(*dotted.split("."))
        return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)

    def _module(self, path: Path) -> Module:
        if path not in self._modules:
            self._modules[path] = Module.read(path)
        return self._modules[path]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """``node`` and all below it, but the body of an ``if TYPE_CHECKING``."""
    yield node
    skipped = node.body if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING" else []
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield from _executed(child)


def _imports(node: ast.AST) -> list[tuple[str, str]]:
    if isinstance(node, ast.Import):
        return [(alias.name, "") for alias in node.names]
    return [(node.module or "", alias.name) for alias in node.names] if isinstance(node, ast.ImportFrom) else []


def _ours(dotted: str) -> bool:
    first, *others = dotted.split(".")
    return first == PACKAGE and all(part.isidentifier() for part in others)


def _text(node: ast.AST | None) -> str:
    """The value of a string constant; empty for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _called(node: ast.Call) -> str:
    return getattr(node.func, "id", "") or getattr(node.func, "attr", "")


def _counts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")


def _is_data(path: Path) -> bool:
    return _counts(path) and path.suffix != ".py"
