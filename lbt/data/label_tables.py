"""Tables of labels beside images: CSV with columns ``file``, ``label``, and optional ``user``, ``time``, ``split``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from lbt import csv_tables
from lbt.data.columns import cell
from lbt.data.listing import split_name
from lbt.errors import LbtError, nearest, reading, told

COLUMNS = ("label", "user", "time", "split")


@dataclass(frozen=True)
class Table:
    """The rows of one CSV file, and the lines where they stand, by the file that each speaks of."""

    path: Path
    rows: dict[str, dict[str, Any]]
    lines: dict[str, int]


_FILES = {"filename", "file_name", "filepath", "file_path", "image", "image_name", "img", "path"}
_LABELS = {"label", "labels", "class", "class_name", "category", "target"}
"""Other words for the two columns: such a table is meant, and is not to be passed over."""


def read(path: Path) -> Table | None:
    """The table in a CSV file; None where it has no column ``file``.

    Raises:
        LbtError: not a CSV file of text, names of files under another header, a line with more or fewer cells than
            names, a file that is named twice or not at all, or a cell that is wrong. The line is named.
    """
    return reading(path, "CSV", _read)


def _read(path: Path) -> Table | None:
    found = csv_tables.lines(path)
    header = [name.lower() for name in next(found, (0, []))[1]]
    if "file" not in header:
        if _FILES & set(header) and _LABELS & set(header):
            raise LbtError(f"{path}: found columns {', '.join(header)}; accepted: file (the image's path), label")
        return None
    if not set(COLUMNS) & set(header):
        accepted = ", ".join(COLUMNS)
        raise LbtError(f"{path}: columns {', '.join(header)}; accepted beside file: {accepted}")
    csv_tables.check_names(path, [name for name in header if name in ("file", *COLUMNS)])
    rows: dict[str, dict[str, Any]] = {}
    lines: dict[str, int] = {}
    for number, texts in found:
        cells = dict(zip(header, texts, strict=True))
        where = f"{path}: line {number}"
        if not cells["file"]:
            raise LbtError(f"{where}: no file is named")
        name = PurePosixPath(cells["file"].replace("\\", "/")).as_posix()
        if name in rows:
            raise LbtError(f"{where}: file {told(name)} is there twice, in line {lines[name]} too")
        rows[name] = {column: _cell(column, cells[column], where) for column in COLUMNS if column in header}
        lines[name] = number
    return Table(path, rows, lines)


def _cell(column: str, text: str, where: str) -> Any:
    if not text:
        return None
    if column == "split":
        return split_name(text, where)
    if column != "label":
        return cell(column, text, where)
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
                where = f"{table.path}: line {table.lines[name]}"
                raise LbtError(f"{where}: no image {told(name)} in its folder{nearest(name, files)}")
            if name in seen:
                raise LbtError(f"{table.path}: line {table.lines[name]}: file {told(name)} is in another table too")
            seen.add(name)
            rows[name] = row
    return [rows[name] for name in files]
