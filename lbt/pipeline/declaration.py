"""The declarations of ``dvc.yaml``: the one place where a stage's code, params, data and outputs are written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbt.config import read_yaml
from lbt.errors import LbtError, unknown

DVC_YAML = Path("dvc.yaml")
CODE = ("lbt", "workflow")


@dataclass(frozen=True)
class Declaration:
    """One stage of ``dvc.yaml``.

    Attributes:
        name: the stage's name.
        code: files and folders of code, dependencies that start with ``lbt/`` or ``workflow/``.
        files: other files and folders of the workspace that the stage reads (recipes, boards, a user's inputs).
        upstream: names of the stages whose results it reads.
        params: dotted keys of the params file that it depends on.
        outs: files and folders that it makes.
    """

    name: str
    code: tuple[str, ...]
    files: tuple[str, ...]
    upstream: tuple[str, ...]
    params: tuple[str, ...]
    outs: tuple[str, ...]

    def allows_file(self, path: str) -> bool:
        """True if ``path`` lies under a declared dependency."""
        return any(path == declared or path.startswith(f"{declared}/") for declared in self.files)

    def allows_param(self, key: str) -> bool:
        """True if the dotted ``key`` lies under a declared param."""
        return any(key == declared or key.startswith(f"{declared}.") for declared in self.params)


def read_declarations(path: Path = DVC_YAML) -> dict[str, Declaration]:
    """All stages of ``dvc.yaml``, in order.

    Raises:
        LbtError: no such file, stages that are not in DVC's form, or an output that does not lie in
            ``results/<run>/<stage>``.
    """
    stages = read_yaml(path).get("stages", {})
    try:
        return {name: _declaration(name, stage, path) for name, stage in stages.items()}
    except (AttributeError, IndexError, StopIteration, TypeError) as error:
        raise LbtError(f"{path}: stages: not in the form of DVC's stages: {error}") from None


def _declaration(name: str, stage: dict[str, Any], path: Path) -> Declaration:
    outs = [str(next(iter(out)) if isinstance(out, dict) else out) for out in stage.get("outs", [])]
    for folder in outs:
        if Path(folder).parts[-1] != name or Path(folder).parts[0] != "results":
            raise LbtError(f"{path}: stages.{name}.outs: found {folder!r}; accepted: results/<run>/{name}")
    deps = [str(dep) for dep in stage.get("deps", [])]
    results = [Path(dep) for dep in deps if dep.startswith("results/")]
    others = [dep for dep in deps if not dep.startswith("results/")]
    params: list[str] = []
    for entry in stage.get("params", []):
        params += [key for keys in entry.values() for key in keys] if isinstance(entry, dict) else [entry]
    return Declaration(
        name=name,
        code=tuple(dep for dep in others if Path(dep).parts[0] in CODE),
        files=tuple(dep for dep in others if Path(dep).parts[0] not in CODE),
        upstream=tuple(dep.parts[2] for dep in results),
        params=tuple(params),
        outs=tuple(outs),
    )


def code_fingerprint(paths: Iterable[str], digest: Callable[[Path], str]) -> str:
    """SHA-256 over the names and contents of all source files under ``paths``.

    Raises:
        LbtError: a declared dependency does not exist.
    """
    total = hashlib.sha256()
    for dependency in sorted(paths):
        root = Path(dependency)
        if not root.exists():
            raise LbtError(f"{DVC_YAML}: dependency {dependency} does not exist")
        for file in files_below(root):
            total.update(f"{file.as_posix()} {digest(file)}\n".encode())
    return total.hexdigest()


def files_below(root: Path) -> list[Path]:
    """The files that count below a dependency, sorted; ``root`` itself where it is a file."""
    return (
        [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file() and counts(p.relative_to(root)))
    )


def counts(path: Path) -> bool:
    """True unless a file below a dependency is byte code, hidden, or an editor's leaving (``.dvcignore`` agrees)."""
    hidden = any(part == "__pycache__" or part.startswith(".") for part in path.parts)
    return not hidden and not path.name.endswith((".pyc", "~"))


def check_stage(name: str, declarations: dict[str, Declaration]) -> Declaration:
    """The declaration of the stage ``name``; an error with the nearest spelling otherwise."""
    if name not in declarations:
        raise unknown("stage", name, declarations, where=str(DVC_YAML))
    return declarations[name]
