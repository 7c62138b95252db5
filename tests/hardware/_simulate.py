"""Running an Amaranth unit in its own simulator."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from amaranth.sim import Simulator


def run(
    unit: Any, inputs: Mapping[str, Sequence[int]], outputs: Sequence[str], latency: int = 1
) -> dict[str, np.ndarray]:
    """Feed one value of each input per cycle; the outputs that belong to each, ``latency`` cycles later, as int64."""
    length = len(next(iter(inputs.values())))
    seen: dict[str, list[int]] = {name: [] for name in outputs}

    async def bench(context: Any) -> None:
        for cycle in range(length + latency):
            for name, values in inputs.items():
                context.set(getattr(unit, name), int(values[min(cycle, length - 1)]))
            if cycle >= latency:
                for name in outputs:
                    seen[name].append(context.get(getattr(unit, name)))
            await context.tick()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        simulator = Simulator(unit)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
    return {name: np.array(values, dtype=np.int64) for name, values in seen.items()}
