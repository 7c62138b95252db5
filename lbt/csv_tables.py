"""CSV files as tables: numbers where every cell of a column is one, text elsewhere."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from lbt.errors import LbtError, reading, told

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".csv", ".tsv")

PARQUET = b"PAR1"
"""First bytes of a Parquet file."""

EMPTY = frozenset({"", "-", "?", "nan", "na", "n/a", "none", "null"})
"""Cells, in lower case, that stand for no value."""


def read(path: str | Path) -> pa.Table:
    """Read a CSV file with a line of column names; fields are separated by what its header is: comma, semicolon or tab.

    Cells with commas need quotes. After semicolons a number may have a decimal comma.

    Raises:
        LbtError: not a text file, no or doubled column names, or a row with more or fewer cells than names.
    """
    return reading(path, "CSV", _read)


def read_any(path: str | Path) -> pa.Table:
    """A table that a user brings: CSV by its suffix (``SUFFIXES``), Parquet otherwise.

    Raises:
        LbtError: see :func:`read` and :func:`lbt.artifacts.read_table`; neither of the two formats.
    """
    from lbt.artifacts import read_table

    if str(path).lower().endswith(SUFFIXES):
        return read(path)
    if Path(path).is_file() and reading(path, "Parquet", _start) != PARQUET:
        raise LbtError(f"{path}: not a Parquet file; accepted: Parquet, or CSV in a file named {' or '.join(SUFFIXES)}")
    return read_table(path)


def first_text(column: pa.ChunkedArray) -> tuple[int, str] | None:
    """Row and content of the first cell of a column of text that is neither a number nor none; None if all are."""
    for row, cell in enumerate(column.to_pylist()):
        try:
            _number(str(cell if cell is not None else ""), comma=False)
        except ValueError:
            return row, str(cell)
    return None


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(PARQUET))


def _read(path: Path) -> pa.Table:
    import pyarrow as pa

    with path.open(encoding="utf-8-sig", newline="") as text:
        header = text.readline()
        separator = max(",;\t", key=header.count)
        text.seek(0)
        lines = csv.reader(text, delimiter=separator, skipinitialspace=True, strict=True)
        names = [name.strip() for name in next(lines, [])]
        if not any(names):
            raise LbtError(f"{path}: empty; expected the columns' names, such as architecture,accuracy")
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise LbtError(f"{path}: column {told(twice[0])} is there twice")
        rows = []
        for cells in lines:
            if any(cells) and len(cells) != len(names):
                hint = " (a cell with commas needs quotes)" if len(cells) > len(names) else ""
                raise LbtError(f"{path}: line {lines.line_num} has {len(cells)} cells under {len(names)} names{hint}")
            if any(cells):
                rows.append(cells)
    columns = {name: [row[index].strip() for row in rows] for index, name in enumerate(names)}
    comma = separator == ";"
    typed = {name: _typed(cells, comma) for name, cells in columns.items() if name != "architecture"}
    return pa.table({name: typed.get(name, cells) for name, cells in columns.items()})


def _typed(cells: list[str], comma: bool) -> pa.Array:
    """Float64 with nulls if each cell is a number or none, otherwise text."""
    import pyarrow as pa

    try:
        return pa.array([_number(cell, comma) for cell in cells], pa.float64())
    except ValueError:
        return pa.array(cells, pa.string())


def _number(cell: str, comma: bool) -> float | None:
    return None if cell.lower() in EMPTY else float(cell.replace(",", ".") if comma else cell)
