"""Latencies of a whole table of networks, and their measurements where it has some."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lbt.csv_tables import place
from lbt.errors import LbtError, told, unknown, warn
from lbt.hardware.blocks import Blocks, read_chains
from lbt.hardware.calibrate import Calibration, calibrate, microseconds, unit_of
from lbt.hardware.layers import Layer
from lbt.hardware.processor import Processor, run
from lbt.progress import track

FAR = 100.0
"""Measurements that are so many times a processor's latencies, or so many times less, may be in another unit."""
OUTLIER = 20.0
"""A measurement that is so many times what the others suggest, or so many times less, is named."""


@dataclass(frozen=True)
class Networks:
    """A table's networks.

    Attributes:
        path: of the table.
        rows: as they are there.
        layers: of each network.
    """

    path: Path
    rows: list[dict[str, Any]]
    layers: list[list[Layer]]

    @classmethod
    def read(cls, path: Path, blocks: str | Path) -> Networks:
        """The networks of a CSV or Parquet table, described by the YAML ``blocks``.

        Raises:
            LbtError: a file cannot be read, a column is missing, or a value is not accepted.
        """
        chains, rows = read_chains(path, Blocks.load(blocks))
        return cls(path, rows, [chain.layers() for chain in chains])

    def milliseconds(self, processor: Processor) -> np.ndarray:
        """(N,) latencies of one inference."""
        found = [run(layers, processor).milliseconds for layers in track(self.layers, "networks", len(self.layers))]
        return np.array(found)

    def measured(self, column: str, unit: str | None, processor: Processor) -> tuple[np.ndarray, np.ndarray]:
        """Positions (M,) of the rows with a value in ``column``, and their microseconds of an inference (M,).

        Raises:
            LbtError: no such column, no value in it, one that is no positive number, or a unit that nothing tells.
        """
        if column not in self.rows[0]:
            raise unknown("column", column, list(self.rows[0]), where=str(self.path))
        found = [(n, row[column]) for n, row in enumerate(self.rows) if row[column] is not None]
        if not found:
            raise LbtError(f"{self.path}: {column}: found no value; accepted: a measurement in at least one row")
        for number, value in found:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
                where = f"{self.path}: {place(self.path, number)}"
                raise LbtError(f"{where}: {column}: found {told(value)}; accepted: a number above 0")
        index = np.array([number for number, _ in found], dtype=int)
        times = microseconds([value for _, value in found], unit_of(column, unit), processor)
        self._warn_of_units(column, index, times, processor)
        return index, times

    def _warn_of_units(self, column: str, index: np.ndarray, times: np.ndarray, processor: Processor) -> None:
        """Name a column that is far from the processor, and rows that are far from the others, as of mixed units."""
        ratio = times / np.array([1e3 * run(self.layers[n], processor).milliseconds for n in index])
        typical = float(np.median(ratio))
        if not 1 / FAR < typical < FAR:
            warn(f"{self.path}: {column}: {typical:.3g} × the processor's latencies; --unit says the column's unit")
        ratio /= typical
        far = np.flatnonzero((ratio > OUTLIER) | (ratio < 1 / OUTLIER))
        if len(far):
            rows = ", ".join(f"{place(self.path, int(index[n]))} ({ratio[n]:.3g} ×)" for n in far[:8]) + (
                " …" if len(far) > 8 else ""
            )
            warn(f"{self.path}: {column}: far from what the other rows suggest, in another unit? {rows}")

    def calibrated(self, column: str, unit: str | None, processor: Processor) -> Calibration:
        """``processor`` fitted to the rows that have a measurement; see :func:`lbt.hardware.calibrate.calibrate`."""
        index, times = self.measured(column, unit, processor)
        return calibrate([self.layers[n] for n in index], times.tolist(), processor)
