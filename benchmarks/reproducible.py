"""Claim: a short job of every stage makes the same bytes on three processors, and the default run takes ten minutes.

    python benchmarks/reproducible.py --json docs/results/reproducible.json
    python benchmarks/reproducible.py --run  # 20 minutes

Rows: ``reproduce/<stage>/<processor>`` with the first digits of the SHA-256 over everything that the stage made; its
value is 1 where it is the first processor's. With ``--run`` instead ``default_run/{reproducible,fast}/seconds``: of
``snakemake`` in a fresh copy, on all cores, with ``reproducible: true`` and ``false``. Rows of an earlier call stay
where a new one does not replace them. Emulation needs ``qemu-x86_64`` (Debian: qemu-user).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import _project

from lbt.pipeline.host import host
from lbt.pipeline.reproduce import NATIVE, PROCESSORS, reproduce

Row = dict[str, Any]


def main() -> None:
    """Run, print the rows, write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="this processor and one emulated")
    parser.add_argument("--run", action="store_true", help="time the default run in both modes instead")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    made = default_runs() if options.run else stages(PROCESSORS[:2] if options.quick else PROCESSORS)
    for row in made:
        print(f"{row['name']:<40} {row['value']:8.0f} {row['unit']:<8} {row.get('hash', '')}")
    if options.json:
        kept = json.loads(options.json.read_text(encoding="utf-8")) if options.json.is_file() else []
        rows = {row["name"]: row for row in (*kept, *made)}
        options.json.write_text(json.dumps(list(rows.values()), indent=2) + "\n", encoding="utf-8")


def stages(processors: tuple[str, ...]) -> list[Row]:
    """The hash of each stage on each processor."""
    first: dict[str, str] = {}
    rows = []
    for processor, stage, digest in reproduce(processors):
        same = first.setdefault(stage, digest) == digest
        row = {
            "name": f"reproduce/{stage}/{processor}",
            "value": int(same),
            "unit": "same",
            "n": 1,
            "hash": digest[:12],
        }
        rows.append(row | ({"processor": host()["processor"]} if processor == NATIVE else {}))
    return rows


def default_runs() -> list[Row]:
    """Seconds of the default run in both modes."""
    rows = []
    for mode, value in (("reproducible", "true"), ("fast", "false")):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "lbt"
            _project.copy(folder)
            params = folder / "params/default.yaml"
            text = params.read_text(encoding="utf-8")
            params.write_text(text.replace("reproducible: true", f"reproducible: {value}"), encoding="utf-8")
            start = time.monotonic()
            subprocess.run(["snakemake"], cwd=folder, env=_project.environment(folder), check=True)
            rows.append({"name": f"default_run/{mode}/seconds", "value": time.monotonic() - start, "unit": "s", "n": 1})
    return rows


if __name__ == "__main__":
    main()
