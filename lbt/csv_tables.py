"""CSV files as tables: numbers where every cell of a column is one, text elsewhere. Errors name the line."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count, islice
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


def lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number (from 1) and stripped cells of each line that holds some; the first are the columns' names.

    A cell in quotes may go on over several lines; the number is then the last one's.

    Raises:
        LbtError: not UTF-8, quotes that do not close, or a line with more or fewer cells than names. The line is named.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            delimiter = _separator(text.readline())
            text.seek(0)
            reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True)
            width = 0
            try:
                for cells in reader:
                    width = width or len(cells)
                    if any(cells) and len(cells) != width:
                        hint = " (a cell with commas needs quotes)" if len(cells) > width else ""
                        number = reader.line_num
                        raise LbtError(f"{path}: line {number} has {len(cells)} cells under {width} names{hint}")
                    if any(cells):
                        yield reader.line_num, [cell.strip() for cell in cells]
            except csv.Error as error:
                raise LbtError(f"{path}: not a readable CSV file: line {reader.line_num}: {error}") from None
    except UnicodeDecodeError:
        raise LbtError(
            f"{path}: not a readable CSV file: line {_not_utf8(path)} is not UTF-8; save it as such"
        ) from None


def _separator(header: str) -> str:
    return max(",;\t", key=header.count)


def _decimal_comma(path: Path) -> bool:
    with path.open(encoding="utf-8-sig", newline="") as text:
        return _separator(text.readline()) == ";"


def _not_utf8(path: Path) -> int:
    """The number of the first line that is not UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return number


def is_csv(path: str | Path) -> bool:
    """True for a CSV file, by its suffix."""
    return str(path).lower().endswith(SUFFIXES)


def places(path: str | Path) -> Iterator[str]:
    """Where the rows of a table stand, in order: ``line 7`` … of a CSV file, ``row 5`` … (from 0) of any other."""
    if is_csv(path):
        return (f"line {number}" for number, _ in islice(lines(Path(path)), 1, None))
    return map("row {}".format, count())


def place(path: str | Path, index: int) -> str:
    """Where the row ``index`` (from 0) of a table stands, see :func:`places`."""
    return next(islice(places(path), index, None))


def words(path: str | Path, cells: Sequence[str | None]) -> list[int]:
    """Rows (from 0) of a column of text whose cell is neither a number nor none."""
    comma = is_csv(path) and _decimal_comma(Path(path))
    return [row for row, cell in enumerate(cells) if cell is not None and not _is_number(cell, comma)]


def _is_number(cell: str, comma: bool) -> bool:
    try:
        _number(cell, comma)
    except ValueError:
        return False
    return True


def read_any(path: str | Path) -> pa.Table:
    """A table that a user brings: CSV by its suffix (``SUFFIXES``), Parquet otherwise.

    Raises:
        LbtError: see :func:`read` and :func:`lbt.artifacts.read_table`; neither of the two formats.
    """
    from lbt.artifacts import read_table

    if is_csv(path):
        return read(path)
    if Path(path).is_file() and reading(path, "Parquet", _start) != PARQUET:
        raise LbtError(f"{path}: not a Parquet file; accepted: Parquet, or CSV in a file named {' or '.join(SUFFIXES)}")
    return read_table(path)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(PARQUET))


def _read(path: Path) -> pa.Table:
    import pyarrow as pa

    found = lines(path)
    _, names = next(found, (0, []))
    if not any(names):
        raise LbtError(f"{path}: empty; expected the columns' names, such as architecture,accuracy")
    check_names(path, names)
    rows = [cells for _, cells in found]
    columns = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    comma = _decimal_comma(path)
    typed = {name: _typed(cells, comma) for name, cells in columns.items() if name != "architecture"}
    return pa.table({name: typed.get(name, cells) for name, cells in columns.items()})


def check_names(path: Path, names: Sequence[str]) -> None:
    """Refuse a column name that is there twice."""
    if twice := [name for name, found in Counter(names).items() if found > 1]:
        raise LbtError(f"{path}: column {told(twice[0])} is there twice")


def _typed(cells: list[str], comma: bool) -> pa.Array:
    """Float64 with nulls if each cell is a number or none, otherwise text."""
    import pyarrow as pa

    try:
        return pa.array([_number(cell, comma) for cell in cells], pa.float64())
    except ValueError:
        return pa.array(cells, pa.string())


def _number(cell: str, comma: bool) -> float | None:
    return None if cell.lower() in EMPTY else float(cell.replace(",", ".") if comma else cell)
