"""``lbt init``: a folder with the workflow's files and a params file that runs on a user's own images."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lbt.config import parse
from lbt.data.beside import labels_beside
from lbt.data.look import Seen, check_together, input_shape, look
from lbt.errors import LbtError
from lbt.params import Params
from lbt.pipeline.declaration import DVC_YAML
from lbt.pipeline.declare import declare_inputs

PACKAGE = Path(__file__).resolve().parent
PACKED = PACKAGE / "_workspace"
"""Where a wheel holds the workflow's files; a source tree has them beside the package."""
FILES = ("Snakefile", "workflow", "profiles", "dvc.yaml", ".dvcignore")
PARAMS = Path("params/default.yaml")
CODE = Path("lbt")
"""A link in the workspace to the installed package: the stages' fingerprints and DVC's are of the code that runs."""
IGNORED = "/lbt\n/logs/\n/results/?*\n/inputs/?*\n!/results/*.dvc\n!/inputs/*.dvc\n.snakemake/\n.lbt/\n"


@dataclass(frozen=True)
class Made:
    """The files that :func:`init` wrote and those that it found, and let be; relative to the workspace.

    Attributes:
        notes: lines on what looks odd in the images.
    """

    written: list[Path]
    kept: list[Path]
    params: Path
    notes: list[str] = field(default_factory=list)


def init(
    folder: Path,
    source: Path,
    target: Path,
    params_file: Path = PARAMS,
    keys: Mapping[str, Mapping[str, Any]] | None = None,
) -> Made:
    """Make a workspace in ``folder`` (or complete the one that is there); nothing that is there is overwritten.

    Args:
        folder: the workspace; made if need be.
        source: labelled images to learn from, see :mod:`lbt.data.look`.
        target: images to adapt to, with or without labels.
        params_file: relative to the workspace.
        keys: by ``source`` and ``target``, keys of that domain such as ``layout`` and ``name``.

    Raises:
        LbtError: images that cannot be read or do not go together, or a params file that is there already. Nothing
            has been written then.
    """
    if (folder / params_file).exists():
        raise LbtError(f"{folder / params_file}: is there already; remove it, or choose another name with --params")
    paths = {"source": source, "target": target}
    given = {role: dict((keys or {}).get(role, {})) for role in paths}
    seen = {role: look(path, given[role]) for role, path in paths.items()}
    if refusals := [found.refusal for found in seen.values() if found.refusal]:
        raise LbtError(refusals[0])
    names = dict(zip(paths, _names(source, target), strict=True))
    inside = {role: _inside(folder, path, names[role]) for role, path in paths.items()}
    domains = {names[role]: {"kind": seen[role].kind, "path": inside[role].as_posix(), **given[role]} for role in paths}
    text = _params(seen["source"], seen["target"], domains)
    together = check_together(seen["source"], seen["target"])
    folder.mkdir(parents=True, exist_ok=True)
    made = Made([], [], params_file)
    for file in _files(folder):
        _put(folder / file, _origin(file), file, made)
    for role, path in paths.items():
        for at, origin in _links(inside[role], path):
            _link(folder / at, origin, at, made)
    _link(folder / CODE, PACKAGE, CODE, made)
    _write(folder / ".gitignore", IGNORED, Path(".gitignore"), made)
    _write(folder / params_file, text, params_file, made)
    if DVC_YAML in made.written:
        with contextlib.chdir(folder):
            declare_inputs(params_file)
    made.notes.extend([*(line for found in seen.values() for line in found.notes()), *together])
    return made


def _names(source: Path, target: Path) -> tuple[str, str]:
    """Names of the two domains: those of the paths where they can be names."""
    names = [re.sub(r"[^a-z0-9]+", "_", path.absolute().stem.lower()).strip("_") for path in (source, target)]
    if names[0] == names[1] or not all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names):
        return "source", "target"
    return names[0], names[1]


def _inside(folder: Path, path: Path, name: str) -> Path:
    """Where the images lie in the workspace: as they are, or (a link) in ``inputs``."""
    absolute, root = Path(os.path.abspath(path)), Path(os.path.abspath(folder))  # noqa: PTH100 (links stay links)
    if absolute.is_relative_to(root):
        return absolute.relative_to(root)
    if labels_beside(path):  # a name that its labels' name follows from
        return Path("inputs", name, path.name)
    return Path("inputs", name + "".join(path.suffixes))


def _links(inside: Path, path: Path) -> Iterator[tuple[Path, Path]]:
    """Where the images lie in the workspace and where they come from; their file of labels likewise."""
    yield inside, path
    if (labels := labels_beside(path)) is not None:
        yield inside.with_name(labels.name), labels


def _params(source: Seen, target: Seen, domains: dict[str, dict[str, Any]]) -> str:
    """The text of a params file for the two domains."""
    first, second = domains
    channels, size = input_shape(source, target)
    methods = ["source_only", "adabn", "mean_teacher"]
    if (target.labels >= 0).all():
        methods.append("target_supervised")
    lines = [
        "# Made by `lbt init`. Every key and its meaning: docs/params.md, `lbt STAGE --help`.",
        "reproducible: true",
        "data:",
        "  domains:",
        *(f"    {name}: {_flow(spec)}" for name, spec in domains.items()),
        f"pretrain: {{model: digit_cnn, size: {size}, channels: {channels}, pair_augmentation: {{}}}}",
        "adapt:",
        f"  pair: {first}-{second}",
        f"  method: [{', '.join(methods)}]",
        "  recipe: [fp32, int8]",
        "  seed: [0]",
        "  pair_augmentation: {}",
        "# No stage before adapt needs these; `snakemake` makes them too.",
        "choose: null  # a mapping (docs/choose.md) searches a network and its formats, too",
        f"supernet: {{domain: {first}}}",
        "predictor: {seed: [0]}",
        "search: {seed: [0]}",
        "hardware: {board: zcu102}",
    ]
    text = "\n".join(lines) + "\n"
    held: dict[str, Any] = yaml.safe_load(text)
    parse(Params, held, PARAMS)
    return text


def _flow(spec: dict[str, Any]) -> str:
    """A mapping on one line of YAML."""
    text: str = yaml.safe_dump(spec, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    return text.strip()


def _origin(file: Path) -> Path:
    if file.parts[0] == "params":
        packed = PACKAGE / file
        return packed if packed.exists() else PACKAGE.parent / file
    return (PACKED if PACKED.is_dir() else PACKAGE.parent) / file


def _files(folder: Path) -> Iterator[Path]:
    """The workflow's files, relative to a workspace; none where the workspace is lbt's own source tree."""
    if folder.resolve() == PACKAGE.parent:
        return
    for name in (*FILES, "params/recipes", "params/boards", "params/processors", "params/blocks"):
        origin = _origin(Path(name))
        files = [origin] if origin.is_file() else sorted(file for file in origin.rglob("*") if file.is_file())
        for file in files:
            inside = file.relative_to(origin)
            if not any(part.startswith((".", "__pycache__")) for part in inside.parts):
                yield Path(name) / inside if inside.parts else Path(name)


def _put(path: Path, origin: Path, name: Path, made: Made) -> None:
    if path.exists():
        if path.read_bytes() != origin.read_bytes():
            made.kept.append(name)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(origin, path)
    made.written.append(name)


def _write(path: Path, text: str, name: Path, made: Made) -> None:
    if path.exists():
        made.kept.append(name)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    made.written.append(name)


def _link(path: Path, origin: Path, name: Path, made: Made) -> None:
    """A link at ``path`` to ``origin``, unless they are the same already."""
    if path.exists() or path.is_symlink():
        if not path.exists() or path.resolve() != origin.resolve():
            made.kept.append(name)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(origin.resolve())
    made.written.append(name)
