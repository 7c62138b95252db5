"""Long benchmarks in small pieces: one JSON line per finished job, so that a killed run goes on where it was."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lbt.artifacts import atomic
from lbt.errors import warn

Result = dict[str, Any]
Job = tuple[str, int, Callable[[], Result]]
"""Name, seed, and what computes the numbers (lists of numbers are curves, and are not summarised)."""


def lines(path: Path) -> Iterator[Result]:
    """The objects of a file of JSON lines; one that a killed run left unfinished is skipped, with a warning."""
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines() if path.is_file() else (), start=1):
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if isinstance(found, dict):
            yield found
        elif line:
            warn(f"{path}: line {number} ignored: not a JSON object")


def append(path: Path, result: Result) -> None:
    """Add one line; after one that was left unfinished it starts anew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_bytes() if path.is_file() else b""
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if before and not before.endswith(b"\n") else "") + json.dumps(result) + "\n")


def read(path: Path) -> list[Result]:
    """The finished jobs of a file: ``{"job": name, "seed": seed, metric: value, …}`` each; of equal jobs the first."""
    found: dict[tuple[str, int], Result] = {}
    for result in lines(path):
        found.setdefault((result["job"], result["seed"]), result)
    return list(found.values())


def run(jobs: Iterable[Job], path: Path | None) -> list[Result]:
    """Run the jobs that ``path`` does not hold yet, appending each when it is done; all results that are known then.

    The file is looked at before each job, so that several processes can share the work.
    """
    fresh: list[Result] = []
    for name, seed, compute in jobs:
        if path and any((r["job"], r["seed"]) == (name, seed) for r in read(path)):
            continue
        result = {"job": name, "seed": seed, **compute()}
        fresh.append(result)
        shown = {key: round(value, 4) for key, value in result.items() if isinstance(value, float)}
        print(f"{name:<24} seed {seed}  {shown}", flush=True)
        if path:
            append(path, result)
    return read(path) if path else fresh


def command(
    doc: str | None, quick: str, jobs: Callable[[bool, int], list[Job]], rows: Callable[[list[Result]], list[Result]]
) -> None:
    """The command line of a benchmark: run ``jobs(quick, seeds)``, print ``rows`` of them, write these with --json.

    Args:
        doc: the script's docstring.
        quick: what --quick runs.
    """
    import torch

    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, help="JSON lines, one a finished job")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    made = rows(run(jobs(options.quick, options.seeds), options.runs))
    for one in made:
        interval = f" ± {one['interval']:.2f}" if "interval" in one else ""
        print(f"{one['name']:<60} {one['value']:12.3f}{interval} {one['unit']:<7} n={one['n']} std={one['std']:.3f}")
    if options.json:
        write(options.json, made)


def summary(results: Iterable[Result]) -> Iterator[Result]:
    """Rows ``{job}/{metric}``: mean, standard deviation and number of seeds."""
    found: dict[str, list[float]] = {}
    for result in sorted(results, key=lambda r: r["seed"]):
        for metric, value in result.items():
            if isinstance(value, float):
                found.setdefault(f"{result['job']}/{metric}", []).append(value)
    for name in sorted(found):
        yield row(name, found[name], "s" if name.endswith("seconds") else "1")


def row(name: str, values: list[float], unit: str) -> Result:
    """Mean and sample standard deviation (0 for one value)."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"name": name, "value": float(np.mean(values)), "unit": unit, "n": len(values), "std": spread}


def paired(name: str, differences: list[float]) -> Result:
    """:func:`row` in points with the half width of the mean's 95 % interval (Student's t) from two differences on."""
    from scipy.stats import t as student

    made, count = row(name, differences, "points"), len(differences)
    return {**made, "interval": float(student.ppf(0.975, count - 1)) * made["std"] / count**0.5} if count > 1 else made


def write(path: Path, rows: Iterable[Result]) -> None:
    """The summary as a JSON list, one row a line."""
    with atomic(path) as temporary:
        temporary.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")
