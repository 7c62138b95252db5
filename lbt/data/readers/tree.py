"""A folder of image files.

- A folder per class, at any depth below; images directly in the root, or in ``_unlabelled``, have no label.
- Folders ``train``, ``val`` (or ``validation``) and ``test`` are the user's own split; each is such a folder by itself.
- A folder per user with a folder per class in each, or another layout (:mod:`lbt.data.layout`).
- A CSV in the root with columns ``file`` and ``label`` (and ``user``, ``time``, ``split``, if you have them) says the
  labels; folders are no classes then. ``file`` is relative to the CSV; images that it leaves out have no label.
- A pattern of file names that hold them (:mod:`lbt.data.names`).
- Without any of these, no image has a label.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from lbt.data import label_tables
from lbt.data.columns import column
from lbt.data.encoded import decode_set, why_not
from lbt.data.layout import UNLABELLED, Folders, Layout, check_splits, parse, recognise
from lbt.data.listing import Decoded, Listing, count, split_names
from lbt.data.names import fields
from lbt.errors import LbtError

SUFFIXES: tuple[str, ...] = ()
IGNORED = ("thumbs.db", "desktop.ini")
"""Files that systems leave in folders; hidden ones are ignored too."""


@dataclass
class _Tree:
    """Files and folders below a root, by their paths relative to it; ``skipped`` are no images, by reason."""

    root: Path
    files: list[Path] = field(default_factory=list)
    folders: list[Folders] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def skip(self, reason: str, file: Path) -> None:
        self.skipped[reason].append(file.as_posix())


def read(path: Path, layout: str | None = None, name: str | None = None) -> Listing:
    """The images below the folder ``path``.

    Args:
        path: the folder.
        layout: the meaning of its folders, such as ``user/class``. Default: by their names.
        name: a pattern of file names that hold labels, users, times or splits, such as ``{label}_{user}_{index}``.
    """
    if not path.is_dir():
        raise LbtError(f"{path}: no such folder; expected one folder per class in it, or images")
    tables = [table for file in sorted(path.glob("*.csv")) if (table := label_tables.read(file)) is not None]
    tree = _walk(path, {table.path for table in tables})
    rows = _named(tree, name) if name else [{} for _ in tree.files]
    if not tree.files:
        left = f"; {count(sum(map(len, tree.skipped.values())), 'file')} of other kinds" if tree.skipped else ""
        raise LbtError(f"{path}: no image in this folder{left}")
    found = _layout(tree, layout, bool(tables), name)
    rows = _placed(tree, found, rows)
    relative = [file.as_posix() for file in tree.files]
    for row, own in zip(rows, label_tables.merge(tables, relative), strict=True):
        row.update({word: cell for word, cell in own.items() if cell is not None})
    labels = [row.get("label") for row in rows]
    classes = found.levels.index("class") if "class" in found.levels else None
    names = {folder[-1] for folder in tree.folders if classes is not None and len(folder) == classes + 1}
    names -= {UNLABELLED}
    stray = sum(
        row.get("label") is None and _shallow(file, classes) for row, file in zip(rows, tree.files, strict=True)
    )
    notes = [f"{path}: {count(stray, 'image')} outside the class folders: without labels"] if stray and names else []

    def place(number: int) -> str:
        return str(path / tree.files[number])

    splits = split_names((row.get("split") for row in rows), place)
    columns = {word: column(word, (row.get(word) for row in rows), place) for word in ("user", "time")}
    return Listing(
        where=str(path),
        format="folder of images" + (f", labels in {', '.join(t.path.name for t in tables)}" if tables else ""),
        labels=labels,
        decode=partial(_decode, path, tree.files),
        names=tuple(sorted(names)) or None,
        splits=splits if any(splits) else None,
        columns={
            "file": relative,
            **{word: cells for word, cells in columns.items() if any(c is not None for c in cells)},
        },
        skipped=tree.skipped,
        notes=(*found.notes, *notes),
    )


def _walk(root: Path, tables: Collection[Path]) -> _Tree:
    """Files and folders below ``root``, in an order that no file system decides; label tables are left out."""
    tree = _Tree(root)
    for found in sorted(root.rglob("*")):
        inside = found.relative_to(root)
        if any(part.startswith(".") for part in inside.parts) or found.name.lower() in IGNORED or found in tables:
            continue
        if found.is_dir():
            tree.folders.append(inside.parts)
        elif found.is_file():
            if reason := why_not(found.suffix):
                tree.skip(reason, inside)
            else:
                tree.files.append(inside)
    return tree


def _named(tree: _Tree, pattern: str) -> list[dict[str, str | None]]:
    """Columns from the files' names; a file whose name is not like ``pattern`` is skipped."""
    rows: list[dict[str, str | None]] = []
    kept = []
    for file in tree.files:
        if (row := fields(pattern, file.stem)) is None:
            tree.skip(f"a name not like {pattern}", file)
            continue
        rows.append({**row})
        kept.append(file)
    tree.files = kept
    return rows


def _layout(tree: _Tree, asked: str | None, tables: bool, name: str | None) -> Layout:
    if asked:
        levels = parse(asked)
        if levels[0] == "split":
            check_splits(sorted({folder[0] for folder in tree.folders}), str(tree.root))
        return Layout(levels)
    found = recognise([file.parts[:-1] for file in tree.files], tree.folders, str(tree.root))
    if tables or (name and "{label}" in name):
        return Layout(found.levels[:1] if found.levels[:1] == ("split",) else ())
    outer = {folder[0] for folder in tree.folders}
    if found.levels == ("class",) and len(outer) == 1 and UNLABELLED not in outer:
        raise LbtError(
            f"{tree.root}: found 1 class folder, {outer.pop()}; expected at least 2 (images without labels lie in "
            f"the folder itself, or in {UNLABELLED})"
        )
    return found


def _placed(tree: _Tree, layout: Layout, rows: Sequence[dict[str, str | None]]) -> list[dict[str, str | None]]:
    """The rows with what the files' folders say; a file outside the folders of the split is skipped."""
    words = {"class": "label"}
    kept, placed = [], []
    for file, row in zip(tree.files, rows, strict=True):
        above = layout.of(file.parts[:-1])
        if layout.levels[:1] == ("split",) and not above:
            tree.skip("outside the folders of the split", file)
            continue
        placed.append({**{words.get(word, word): name for word, name in above.items()}, **row})
        kept.append(file)
    tree.files = kept
    return placed


def _shallow(file: Path, level: int | None) -> bool:
    """True if the file lies above the folders of the classes."""
    return level is not None and len(file.parts) <= level + 1


@dataclass(frozen=True)
class _Chosen:
    """Paths of the files at the positions ``index``, each made when it is asked for."""

    root: Path
    files: list[Path]
    index: np.ndarray

    def __iter__(self) -> Iterator[Path]:
        return (self.root / self.files[int(n)] for n in self.index)


def _decode(path: Path, files: list[Path], index: np.ndarray, size: int | None) -> Decoded:
    return decode_set(_Chosen(path, files, index), [files[int(n)].as_posix() for n in index], size, str(path))
