"""A folder of image files.

- A folder per class, at any depth below; images directly in the root, or in ``_unlabelled``, have no label.
- Folders ``train``, ``val`` (or ``validation``) and ``test`` are the user's own split; each is such a folder by itself.
- A CSV in the root with columns ``file`` and ``label`` (and ``user``, ``time``, ``split``, if you have them) says the
  labels; folders are no classes then. ``file`` is relative to the CSV; images that it leaves out have no label.
- Without any of these, no image has a label.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lbt.data import label_tables
from lbt.data.encoded import decode, why_not
from lbt.data.listing import SPLIT_NAMES, Decoded, Listing, count
from lbt.errors import LbtError

SUFFIXES: tuple[str, ...] = ()
UNLABELLED = "_unlabelled"
IGNORED = ("thumbs.db", "desktop.ini")
"""Files that systems leave in folders; hidden ones are ignored too."""


@dataclass(frozen=True)
class _File:
    """An image file, and the split and the class that its folders say."""

    path: Path
    split: str | None
    label: str | None


def read(path: Path) -> Listing:
    """The images below the folder ``path``."""
    if not path.is_dir():
        raise LbtError(f"{path}: no such folder; expected one folder per class in it, or images")
    skipped: dict[str, list[str]] = defaultdict(list)
    tables = [table for file in sorted(path.glob("*.csv")) if (table := label_tables.read(file)) is not None]
    own = _own_splits(path)
    files: list[_File] = []
    names: dict[str, None] = {}
    stray = 0
    read_as_tables = {table.path for table in tables}
    for split, root in own.items() if own else [("", path)]:
        classes = [] if tables else _folders(root)
        if len(classes) == 1 and not own and classes[0].name != UNLABELLED:
            raise LbtError(
                f"{path}: found 1 class folder, {classes[0].name}; expected at least 2 (images without labels lie in "
                f"the folder itself, or in {UNLABELLED})"
            )
        names |= dict.fromkeys(folder.name for folder in classes if folder.name != UNLABELLED)
        for file in _below(root, path, skipped, read_as_tables):
            inside = file.relative_to(root).parts
            stray += len(inside) == 1 and bool(classes)
            label = inside[0] if len(inside) > 1 and not tables and inside[0] != UNLABELLED else None
            files.append(_File(file, split or None, label))
    if own:
        for file in _below(path, path, skipped, read_as_tables, flat=True):
            skipped["outside the folders of the split"].append(file.name)
    if not files:
        left = f"; {count(sum(map(len, skipped.values())), 'file')} of other kinds" if skipped else ""
        raise LbtError(f"{path}: no image in this folder{left}")
    notes = (f"{path}: {count(stray, 'image')} outside the class folders: without labels",) if stray else ()
    return _listing(path, files, sorted(names), tables, skipped, bool(own), notes)


def _listing(
    path: Path,
    files: list[_File],
    names: list[str],
    tables: list[label_tables.Table],
    skipped: dict[str, list[str]],
    own: bool,
    notes: tuple[str, ...],
) -> Listing:
    relative = [file.path.relative_to(path).as_posix() for file in files]
    rows = label_tables.merge(tables, relative)
    labels = [row.get("label") for row in rows] if tables else [file.label for file in files]
    splits: list[str | None] | None = [file.split for file in files] if own else None
    if any(row.get("split") for row in rows):
        splits = [row.get("split") or (splits[n] if splits else None) for n, row in enumerate(rows)]  # type: ignore[misc]
    columns: dict[str, list[object]] = {"file": list(relative)}
    for name in ("user", "time"):
        if any(row.get(name) is not None for row in rows):
            columns[name] = [row.get(name) for row in rows]
    return Listing(
        where=str(path),
        format="folder of images" + (f", labels in {', '.join(t.path.name for t in tables)}" if tables else ""),
        labels=labels,
        decode=partial(_decode, path, [file.path for file in files], relative),
        names=tuple(names) or None,
        splits=splits,
        columns=columns,
        skipped=skipped,
        notes=notes,
    )


def _decode(path: Path, files: list[Path], names: list[str], index: np.ndarray, size: int | None) -> Decoded:
    chosen = [int(n) for n in index]
    return decode([partial(Path, files[n]) for n in chosen], [names[n] for n in chosen], size, str(path))


def _folders(root: Path) -> list[Path]:
    return sorted(f for f in root.iterdir() if f.is_dir() and not f.name.startswith("."))


def _own_splits(root: Path) -> dict[str, Path]:
    """Split → its folder, where all folders of ``root`` are called as splits are, and one of them is for training."""
    folders = {folder: SPLIT_NAMES.get(folder.name.lower()) for folder in _folders(root)}
    if not folders or None in folders.values() or "train" not in folders.values():
        return {}
    found: dict[str, Path] = {}
    for folder, name in folders.items():
        assert name is not None
        if name in found:
            raise LbtError(f"{root}: folders {found[name].name} and {folder.name} are both for the {name} split")
        found[name] = folder
    return found


def _below(
    folder: Path, root: Path, skipped: dict[str, list[str]], tables: Collection[Path], flat: bool = False
) -> Iterator[Path]:
    """The images below a folder, in an order that does not depend on the file system; others go to ``skipped``.

    Args:
        folder: where to look.
        root: names in ``skipped`` are relative to it.
        skipped: reason → names.
        tables: label tables, which are no images and are not skipped.
        flat: leave out the folders in ``folder``.
    """
    found = sorted(p for p in (folder.glob("*") if flat else folder.rglob("*")) if p.is_file())
    for file in found:
        inside = file.relative_to(root)
        if any(part.startswith(".") for part in inside.parts) or file.name.lower() in IGNORED:
            continue
        if file in tables:
            continue
        if reason := why_not(file.suffix):
            skipped[reason].append(inside.as_posix())
        else:
            yield file
