"""Tables of evaluated architectures: one row each, a string and its measured targets.

A table is Parquet or CSV with a column ``architecture`` (a string of its search space) and one numeric column per
target.
NAS-Bench-201's table is made from the ``analog-nasbench`` package (its data file is a pickle; it is read once, here,
through an unpickler that admits two record classes and nothing else). Its targets, all accuracies on CIFAR-10 in
percent:

=========== ==================================================================================
column      meaning (the package's name)
=========== ==================================================================================
fp          floating point (``baseline_accuracy``)
ptq         8 bits, quantized after training (``ptq_accuracy``)
qat         8 bits, trained quantized (``qat_accuracy``)
analog      analog hardware, trained with its noise (``analog_accuracy``)
analog_day  the same after one day of conductance drift (``analog_drift_86400``)
=========== ==================================================================================
"""

from __future__ import annotations

import importlib.util
import pickle
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lbt import csv_tables
from lbt.artifacts import write_table
from lbt.errors import LbtError, told, unknown
from lbt.nas.space import CellSpace, load

if TYPE_CHECKING:
    import pyarrow as pa

NASBENCH201_TARGETS = ("fp", "ptq", "qat", "analog", "analog_day")

LARGEST = 1e100
"""Magnitude of the largest value of a target: its square and sums of it stay finite."""

_SOURCE = {"fp": "baseline_accuracy", "ptq": "ptq_accuracy", "qat": "qat_accuracy", "analog": "analog_accuracy"}
_EDGE_ORDER = (0, 1, 3, 2, 4, 5)  # the package orders edges by (from, to), the benchmark by (to, from)
_OPERATION = (1, 0, 3, 2, 4)  # the package numbers skip 0, none 1, conv3×3 2, conv1×1 3, average pool 4


@dataclass(frozen=True)
class Table:
    """A validated table of architectures.

    Attributes:
        space: the search space that the strings belong to.
        rows: int64 (N, L), the architectures (see :mod:`lbt.nas.space`).
        targets: float64 (N,) per target name; no NaN.
        source: the file, for messages.
        others: for each column beside ``architecture`` that holds no numbers, what it holds.
        nearly: those of ``others`` whose text is numbers but for less than half of the cells.
    """

    space: CellSpace
    rows: np.ndarray
    targets: dict[str, np.ndarray]
    source: str = ""
    others: dict[str, str] = field(default_factory=dict)
    nearly: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def target(self, name: str) -> np.ndarray:
        """The column ``name``, float64 (N,)."""
        return self.column(name, "target")

    def column(self, name: str, kind: str) -> np.ndarray:
        """The column ``name``, float64 (N,); ``kind`` says in messages what it serves as.

        Raises:
            LbtError: there is no such column, or it holds no numbers.
        """
        if name in self.others:
            raise LbtError(f"{self.source}: {kind} {name} holds {self.others[name]}; expected numbers")
        if name not in self.targets:
            raise unknown(kind, name, self.targets, self.source)
        return self.targets[name]


def read(path: str | Path, space: str | Path | CellSpace, *, complete: bool = False, unlabelled: bool = False) -> Table:
    """Read and validate a table; every numeric column besides ``architecture`` is a target.

    Args:
        path: the Parquet file, or a CSV file (``.csv``, ``.tsv``, see :mod:`lbt.csv_tables`).
        space: name of a search space, a YAML file that describes one, or the space itself.
        complete: demand that every architecture of the space is there.
        unlabelled: let targets be absent, empty or NaN (read as NaN): architectures whose value is to be predicted.

    Raises:
        LbtError: a column is missing; a row's string does not parse or has an operation that the space lacks, is there
            twice, or has no finite target; with ``complete``, an architecture is missing. The row is named.
    """
    import pyarrow.types as types

    space = load(space)
    table = csv_tables.read_any(path)
    if "architecture" not in table.column_names:
        raise LbtError(f"{path}: no column 'architecture'; found: {', '.join(table.column_names)}")
    if not len(table):
        raise LbtError(f"{path}: no rows")
    found = table.schema.field("architecture").type
    found = found.value_type if types.is_dictionary(found) else found
    if not (types.is_string(found) or types.is_large_string(found)):
        raise LbtError(f"{path}: column architecture holds {found}; expected text, such as {_example(space)!r}")
    try:
        rows = space.encode(table.column("architecture").to_pylist(), partial(csv_tables.place, path))
    except LbtError as error:
        raise LbtError(f"{path}: {error}") from None
    first: dict[bytes, int] = {}
    for index, row in enumerate(rows):
        if (earlier := first.setdefault(row.tobytes(), index)) != index:
            where, also = csv_tables.place(path, index), csv_tables.place(path, earlier)
            raise LbtError(
                f"{path}: {where}: {space.format(row)!r} is already in {also}; accepted: one row each, "
                "with the mean of repeated measurements"
            )
    if complete and len(rows) < space.size:
        missing = next(row for row in space.all() if row.tobytes() not in first)
        count = space.size - len(rows)
        raise LbtError(f"{path}: {count} of {space.size} cells are missing, the first is {space.format(missing)!r}")
    targets, others, nearly = {}, {}, []
    for column in table.schema:
        name = column.name
        if any(holds(column.type) for holds in (types.is_floating, types.is_integer, types.is_decimal)):
            values = table.column(name).cast("float64", safe=False).to_numpy()  # beyond 2⁵³: the nearest
            if not unlabelled:
                check_values(path, name, values)
            targets[name] = values
        elif name != "architecture":
            others[name], near = _held(path, table.column(name))
            nearly += [name] * near
    if not targets and not unlabelled:
        held = "".join(f"; {name} holds {others[name]}" for name in nearly[:1])
        raise LbtError(f"{path}: no numeric column to predict; found: {', '.join(table.column_names)}{held}")
    return Table(space, rows, targets, str(path), others, tuple(nearly))


def _held(path: str | Path, column: pa.ChunkedArray) -> tuple[str, bool]:
    """Content of a column without numbers, for messages, and true if it is numbers but for less than half of it."""
    import pyarrow.types as types

    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if not (types.is_string(kind) or types.is_large_string(kind)):
        return str(kind), False
    cells = column.to_pylist()
    words = csv_tables.words(path, cells)
    place = f"text, {told(cells[words[0]])} in {csv_tables.place(path, words[0])}" if words else "numbers as text"
    return place, 2 * len(words) < len(cells)


def check_values(path: str | Path, name: str, values: np.ndarray, *, unlabelled: bool = False) -> None:
    """Raise :class:`LbtError` for the first value that is too large to compute with, or is none (unless unlabelled)."""
    wrong = ~(np.abs(values) <= LARGEST) & ~(np.isnan(values) & unlabelled)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        expected = f"expected a finite number of at most {LARGEST:g}"
        raise LbtError(f"{path}: {csv_tables.place(path, row)}: {name} is {values[row]}; {expected}")


def _example(space: CellSpace) -> str:
    """The space's first cell, as a table writes it."""
    return space.format(np.zeros(len(space.choices), np.int64))


def write_nasbench201(path: Path) -> dict[str, int]:
    """Write NAS-Bench-201's 15,625 cells with the targets above; return counts for the stage's metrics."""
    space = load("nasbench201")
    records = _read_package()
    rows = np.empty((len(records), 6), np.int64)
    columns: dict[str, list[float]] = {name: [] for name in NASBENCH201_TARGETS}
    for index, (cell, record) in enumerate(records.items()):
        rows[index] = [_OPERATION[cell[edge]] for edge in _EDGE_ORDER]
        for name, attribute in _SOURCE.items():
            columns[name].append(float(getattr(record, attribute)))
        columns["analog_day"].append(float(record.analog_drift_86400.value))
    order = np.argsort(space.index(rows), kind="stable")
    table: dict[str, Any] = {"architecture": [space.format(row) for row in rows[order]]}
    table |= {name: np.array(values)[order] for name, values in columns.items()}
    write_table(path, table)
    return {"architectures": len(rows), "unique": len(set(space.keys(rows, merge_identity=True)))}


class _Record:
    """Stands for both classes of the pickle: holds attributes, runs nothing."""


class _Restricted(pickle.Unpickler):
    """Admits the package's two record classes, as :class:`_Record`."""

    admitted = frozenset({("analognasbench.data", "Architecture"), ("analognasbench.data", "DriftMeasurement")})

    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in self.admitted:
            raise LbtError(f"the analog-nasbench package's data file refers to {module}.{name}, which is not admitted")
        return _Record


def _read_package() -> dict[tuple[int, ...], Any]:
    found = importlib.util.find_spec("analognasbench")
    if found is None or not found.submodule_search_locations:
        raise LbtError("NAS-Bench-201's table comes with the package analog-nasbench; install it: pip install lbt")
    path = Path(found.submodule_search_locations[0]) / "data.anb"
    with path.open("rb") as file:
        return _Restricted(file).load()
