"""Slowest paths of synthesised units: ``python -m lbt.hardware.fmax paths --out lbt/hardware/paths.parquet``.

A path begins at a register or an input (which a register in front of the unit drives), and ends at a register or an
output. Of each cell on it only the kind counts (:class:`lbt.hardware.delays.Path`), so that the same path has a delay
in every family with these cells. A unit without DSP blocks that is synthesised for the 7-series has the same netlist on
UltraScale+; its slowest path is searched with each family's delays.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path as File
from typing import Any

from lbt.artifacts import atomic, read_json, write_table
from lbt.errors import LbtError
from lbt.hardware.delays import DELAYS, Path
from lbt.hardware.fmax.harness import harness
from lbt.hardware.rtl.grid import FITTED, LUT4, ULTRASCALE, Unit
from lbt.hardware.rtl.synthesis import TOOL, cached, netlist, run_yosys, tool_version
from lbt.progress import track

CACHE = File(".lbt/paths")
"""Folder of the netlists, one JSON file a unit, netlist and tool version."""

LUTS = frozenset({*(f"LUT{n}" for n in range(1, 7)), "INV", "SRL16E", "SRLC32E"})
MUXES = frozenset({"MUXF7", "MUXF8", "PFUMX", "L6MUX21"})
CARRIES = frozenset({"CARRY4", "CARRY8", "CCU2C"})
BLOCKS = frozenset({"DSP48E1", "DSP48E2", "MULT18X18D"})
REGISTERS = frozenset({"FDRE", "FDSE", "FDCE", "FDPE", "TRELLIS_FF"})

Bit = int
Module = Mapping[str, Any]
"""A flat module of Yosys' JSON."""


@dataclass(frozen=True)
class _Arrival:
    """The slowest way to a bit, and the kind of the cell that drives it."""

    path: Path
    driver: str


class _Analysis:
    """Static timing of one flat module."""

    def __init__(self, module: Module, target: str) -> None:
        self.delays = DELAYS[target]
        self.cells = [cell for cell in module["cells"].values() if cell["type"] != "$scopeinfo"]
        self.packs = target != "ecp5"  # a LUT in front of a carry cell is in the same slice
        self.drivers: dict[Bit, tuple[dict[str, Any], str, int]] = {}
        for cell in self.cells:
            for port, bits in cell["connections"].items():
                if cell["port_directions"][port] == "output":
                    self.drivers |= {bit: (cell, port, i) for i, bit in enumerate(bits) if isinstance(bit, int)}
        self.known: dict[Bit, _Arrival] = {}

    def slowest(self, outputs: list[Bit]) -> Path:
        """The slowest path of the module."""
        found = [self._ends(cell) for cell in self.cells]
        ends = [path for paths in found for path in paths] + [self.arrival(bit).path for bit in outputs]
        return max(ends, key=self.delays.period, default=Path())

    def _ends(self, cell: dict[str, Any]) -> Iterator[Path]:
        """Paths that end at a cell's registers."""
        kind = cell["type"]
        inputs = self._inputs(cell)
        if kind in REGISTERS:
            for port, _, bit in inputs:
                one = self.arrival(bit)
                local = port in ("D", "DI") and one.driver in LUTS | MUXES | CARRIES
                yield one.path if local else replace(one.path, nets=one.path.nets + 1)
        elif kind in BLOCKS and _registered(cell, "PREG"):
            early = _registered(cell, "AREG", "BREG", "MREG")  # a register before the adder, or the whole block
            for _, _, bit in inputs:
                path = self.arrival(bit).path
                routed = replace(path, nets=path.nets + 1)
                yield replace(routed, captures=1) if early else replace(routed, blocks=path.blocks + 1)
        elif kind not in LUTS | MUXES | CARRIES | BLOCKS:
            raise LbtError(f"slowest path: found a cell {kind}; accepted: {', '.join(sorted(REGISTERS | LUTS))}, …")

    def arrival(self, bit: Bit) -> _Arrival:
        """The slowest way to ``bit``."""
        if bit in self.known:
            return self.known[bit]
        cell, port, index = self.drivers.get(bit, (None, "", 0))
        found = _Arrival(Path(), "register")
        if cell is not None and not (cell["type"] in REGISTERS or _registered(cell, "PREG")):
            ways = [self._through(cell, *one) for one in self._inputs(cell) if _reaches(cell, port, index, *one[:2])]
            slowest = max(ways, key=self.delays.period, default=Path())
            found = _Arrival(slowest, cell["type"])
        self.known[bit] = found
        return found

    def _through(self, cell: dict[str, Any], port: str, index: int, bit: Bit) -> Path:
        """The way to a cell's input, and on to its output."""
        before, kind = self.arrival(bit), cell["type"]
        path = before.path
        routed = replace(path, nets=path.nets + 1)
        if kind in LUTS:
            return replace(routed, luts=path.luts + 1)
        if kind in MUXES:  # its data come from the slice's own LUTs and multiplexers
            inner = before.driver in LUTS | MUXES and port not in ("S", "SD", "C0")
            return replace(path if inner else routed, muxes=path.muxes + 1)
        if kind in CARRIES:
            if port in ("CI", "CIN") and before.driver in CARRIES:
                return replace(path, carries=path.carries + 1)
            return replace(path if self.packs and before.driver in LUTS else routed, chains=path.chains + 1)
        return replace(routed, blocks=path.blocks + 1)

    @staticmethod
    def _inputs(cell: dict[str, Any]) -> list[tuple[str, int, Bit]]:
        """Driven inputs, without the clock."""
        return [
            (port, index, bit)
            for port, bits in cell["connections"].items()
            if (cell["port_directions"][port] == "input" and port not in ("C", "CLK", "CLK0")) or _selects(cell, port)
            for index, bit in enumerate(bits)
            if isinstance(bit, int)
        ]


def _selects(cell: dict[str, Any], port: str) -> bool:
    """True for an input that is called C and is no clock."""
    return port == "C" and cell["type"] not in REGISTERS


def _registered(cell: dict[str, Any], *names: str) -> bool:
    """True for a DSP block with one of these registers."""
    return cell["type"] in BLOCKS and any(int(str(cell["parameters"].get(name, "0")), 2) for name in names)


def _reaches(cell: dict[str, Any], output: str, position: int, port: str, index: int) -> bool:
    """True if an input of a cell has a way to that output: a carry goes upwards only."""
    if cell["type"] in ("CARRY4", "CARRY8"):
        first = index if port in ("S", "DI") else 0
        return first < position or (first == position and (output == "CO" or port != "DI"))
    if cell["type"] == "CCU2C" and output == "S0":
        return not port.endswith("1")
    return True


def slowest(module: Module, target: str) -> Path:
    """The slowest path of a flat module with a family's delays.

    Args:
        module: cells and ports, as Yosys' ``write_json`` writes them.
        target: a key of :data:`lbt.hardware.delays.DELAYS`.

    Raises:
        LbtError: a kind of cell that has no delay.
    """
    outputs = [b for p in module["ports"].values() if p["direction"] == "output" for b in p["bits"]]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 20_000))  # a chain of cells is followed cell by cell
    try:
        return _Analysis(module, target).slowest([bit for bit in outputs if isinstance(bit, int)])
    finally:
        sys.setrecursionlimit(limit)


PARTS = frozenset({"multiplier", "round", "array"})
"""Kinds that an accelerator holds only inside other units."""


def units() -> Iterator[Unit]:
    """The units whose paths ship: one of each kind and style in each family that has its own netlist, and further MACs.

    Other widths follow from these by the depth that the unit library has (:mod:`lbt.hardware.clock`).
    """
    for (kind, style), widths in FITTED.items():
        if kind not in PARTS:
            yield Unit(kind, style, "xc7", *widths[0])
    yield from (Unit("mac", "plain", "xc7", *one) for one in FITTED["mac", "plain"][1:3])
    yield from (unit for unit in ULTRASCALE if unit.style == "dsp" and (unit.a, unit.b) in ((8, 8), (8, 23)))
    yield from (Unit(kind, style, "ecp5", *FITTED[kind, style][0]) for kind, style in LUT4)


def netlist_of(unit: Unit, cache: File = CACHE) -> File:
    """Yosys' JSON of the unit in a family's cells, the module ``unit``; what is in the cache is not made again.

    On ECP5 the unit stands in the harness that it is placed in.

    Raises:
        LbtError: Yosys or Amaranth is not installed, or the unit does not synthesise.
    """
    text = harness(unit) if unit.target == "ecp5" else netlist(unit)
    file = cached(cache, unit, text)
    if not file.is_file():
        with tempfile.TemporaryDirectory(prefix="lbt-yosys-") as folder:
            work = File(folder)
            run_yosys(work, unit, text, "write_json unit.json")
            with atomic(file) as temporary:
                shutil.copyfile(work / "unit.json", temporary)
    return file


def rows_of(unit: Unit, file: File) -> list[dict[str, Any]]:
    """The slowest path of a unit's netlist, in each family that the netlist is of."""
    module = read_json(file)["modules"]["unit"]
    shared = unit.target == "xc7" and unit.style != "dsp"
    found = {target: slowest(module, target) for target in ((unit.target, "xcup") if shared else (unit.target,))}
    tool = f"{TOOL} {tool_version()}"
    return [{**asdict(replace(unit, target=target)), **asdict(path), "tool": tool} for target, path in found.items()]


def run_paths(out: File, jobs: int = 1, cache: File = CACHE) -> int:
    """Write the slowest paths of :func:`units` into a Parquet table.

    Args:
        out: the table; columns of :class:`lbt.hardware.rtl.grid.Unit` and :class:`lbt.hardware.delays.Path`, ``tool``.
        jobs: Yosys processes side by side.
        cache: folder of the netlists; what is there is not synthesised again.

    Returns:
        The number of rows.

    Raises:
        LbtError: Yosys or Amaranth is not installed, or a unit does not synthesise.
    """
    wanted = list(units())
    with ThreadPoolExecutor(jobs) as pool:
        made = pool.map(lambda unit: netlist_of(unit, cache), wanted)
        files = dict(zip(wanted, track(made, "paths", len(wanted)), strict=True))
    rows = [row for unit in sorted(wanted) for row in rows_of(unit, files[unit])]
    write_table(out, rows)
    return len(rows)
