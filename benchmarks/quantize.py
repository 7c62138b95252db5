"""Quantize-dequantize against a memory copy of the same tensor: nearest and stochastic, per tensor, channel and block.

    python benchmarks/quantize.py [--quick] [--json FILE]

Rows such as ``sr-int8/2^20/x_copy`` are medians of the ratio to ``out.copy_(x)``, both measured in turn in one process.
The copy goes to memory that was written before; so does ``…/out`` (``fake_quantize(…, out=…)``), while the rows without
it make a new tensor each time, as most callers do, in a process that keeps freed memory, as lbt's own commands do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from lbt.kernels.quantize import fake_quantize
from lbt.memory import keep_freed_memory
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec

CASES = {
    "nearest-int8": RoleSpec.model_validate({"format": "int8"}),
    "sr-int8": RoleSpec.model_validate({"format": "int8", "rounding": "stochastic"}),
    "sr-int8-sigma": RoleSpec.model_validate({"format": "int8", "rounding": "stochastic", "range": "sigma"}),
    "sr-int8-channel": RoleSpec.model_validate({"format": "int8", "rounding": "stochastic", "granularity": "channel"}),
    "nearest-int8-block32": RoleSpec.model_validate({"format": "int8", "granularity": "block(32)"}),
    "nearest-e4m3": RoleSpec.model_validate({"format": "e4m3"}),
    "nearest-mxe4m3": RoleSpec.model_validate({"format": "mxe4m3"}),
}
KEY = Key(0, 0, "benchmark", "E")


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(quick: bool) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for power in (16, 20) if quick else (16, 20, 24):
        x = torch.randn(2**power // 64, 64)
        out = torch.empty_like(x)
        for name, spec in CASES.items():
            repeats = 7 if quick else 21
            ways = {
                name: partial(fake_quantize, x, spec, KEY),
                f"{name}/out": partial(fake_quantize, x, spec, KEY, out=out),
            }
            ratios: dict[str, list[float]] = {way: [] for way in ways}
            for work in ways.values():
                for _ in range(3 if quick else 10):  # compiles, and finds places for new tensors
                    work()
            for _ in range(repeats):
                copy = min(seconds(partial(out.copy_, x)) for _ in range(3))
                for way, work in ways.items():
                    ratios[way].append(seconds(work) / copy)
            for way, found in ratios.items():
                rows.append({"name": f"{way}/2^{power}/x_copy", "value": statistics.median(found), "unit": "x",
                             "n": repeats, "std": statistics.stdev(found)})  # fmt: skip
                print(f"{rows[-1]['name']:<36}{rows[-1]['value']:8.1f}  ± {rows[-1]['std']:.1f}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="up to 2^20 elements, few repeats")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    keep_freed_memory()
    rows = measure(options.quick)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
