"""Tables of labels beside images: CSV with columns ``file``, ``label``, and optional ``user``, ``time``, ``split``."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from lbt.data.columns import column as cells
from lbt.data.listing import split_name
from lbt.errors import LbtError, nearest, reading, told

COLUMNS = ("label", "user", "time", "split")


@dataclass(frozen=True)
class Table:
    """The rows of one CSV file, by the file that each speaks of."""

    path: Path
    rows: dict[str, dict[str, Any]]


_FILES = {"filename", "file_name", "filepath", "file_path", "image", "image_name", "img", "path"}
_LABELS = {"label", "labels", "class", "class_name", "category", "target"}
"""Other words for the two columns: such a table is meant, and is not to be passed over."""


def read(path: Path) -> Table | None:
    """The table in a CSV file; None where it has no column ``file``.

    Raises:
        LbtError: not a CSV file of text, names of files under another header, a file that is named twice, or a cell
            that is wrong.
    """
    return reading(path, "CSV", _read)


def _read(path: Path) -> Table | None:
    with path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text)
        header = [name.strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = header
        if "file" not in header:
            if _FILES & set(header) and _LABELS & set(header):
                raise LbtError(f"{path}: found columns {', '.join(header)}; accepted: file (the image's path), label")
            return None
        if "label" not in header and not set(COLUMNS) & set(header):
            accepted = ", ".join(COLUMNS)
            raise LbtError(f"{path}: columns {', '.join(header)}; accepted beside file: {accepted}")
        rows: dict[str, dict[str, Any]] = {}
        for number, cells in enumerate(reader, start=2):
            name = PurePosixPath((cells.get("file") or "").strip().replace("\\", "/")).as_posix()
            where = f"{path}: line {number}"
            if name in rows:
                raise LbtError(f"{where}: file {told(name)} is there twice")
            rows[name] = {column: _cell(column, cells[column], where) for column in COLUMNS if column in header}
    return Table(path, rows)


def _cell(column: str, text: str | None, where: str) -> Any:
    text = (text or "").strip()
    if not text:
        return None
    if column == "split":
        return split_name(text, where)
    if column != "label":
        return cells(column, [text], where)[0]
    return None if text == "-1" else text


def merge(tables: Sequence[Table], files: Sequence[str]) -> list[dict[str, Any]]:
    """The row of each of ``files``, empty where no table names it.

    Raises:
        LbtError: a table names a file that is not there, or two tables name the same one.
    """
    rows: dict[str, dict[str, Any]] = {name: {} for name in files}
    seen: set[str] = set()
    for table in tables:
        for name, row in table.rows.items():
            if name not in rows:
                raise LbtError(f"{table.path}: no image {told(name)} in its folder{nearest(name, files)}")
            if name in seen:
                raise LbtError(f"{table.path}: file {told(name)} is in another table too")
            seen.add(name)
            rows[name] = row
    return [rows[name] for name in files]
