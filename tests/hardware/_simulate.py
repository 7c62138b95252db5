"""Running Amaranth units in their own simulator."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import numpy as np
from amaranth.sim import Simulator

from lbt.hardware.rtl.mac import MacArray


def run(
    unit: Any,
    inputs: Mapping[str, Sequence[int] | np.ndarray],
    outputs: Sequence[str],
    latency: int = 1,
    length: int | None = None,
) -> dict[str, np.ndarray]:
    """Feed one value of each input per cycle; the outputs that belong to each, ``latency`` cycles later, as int64.

    ``length``: how many cycles, for a unit without inputs.
    """
    length = length or len(next(iter(inputs.values())))
    seen: dict[str, list[int]] = {name: [] for name in outputs}

    async def bench(context: Any) -> None:
        for cycle in range(length + latency):
            for name, values in inputs.items():
                context.set(getattr(unit, name), int(values[min(cycle, length - 1)]))
            if cycle >= latency:
                for name in outputs:
                    seen[name].append(context.get(getattr(unit, name)))
            await context.tick()

    _simulate(unit, bench)
    return {name: np.array(values, dtype=np.int64) for name, values in seen.items()}


def matmul(x: np.ndarray, y: np.ndarray, side: int = 4, style: str = "booth") -> np.ndarray:
    """x · y on a side × side array of 8-bit cells with 32-bit totals, tile by tile, operands skewed by row and column.

    x is (m, k), y is (k, n); int64 (m, n).
    """
    unit = MacArray(side, side, 8, 32, style)
    (m, k), n = x.shape, y.shape[1]
    x, y = np.pad(x, ((0, -m % side), (0, 0))), np.pad(y, ((0, 0), (0, -n % side)))
    result = np.zeros((len(x), y.shape[1]), np.int64)

    async def tile(context: Any, row: int, col: int) -> None:
        context.set(unit.clear, 1)
        for cycle in range(2 * side):  # flush what still moves through the cells
            for i in range(side) if cycle == 0 else ():
                context.set(unit.a[i], 0)
                context.set(unit.b[i], 0)
            await context.tick()
        context.set(unit.clear, 0)
        for t in range(k + 2 * side - 1):  # k + R + C - 2, and one for the products' register
            for i in range(side):
                inside = 0 <= t - i < k
                context.set(unit.a[i], int(x[row + i, t - i]) if inside else 0)
                context.set(unit.b[i], int(y[t - i, col + i]) if inside else 0)
            await context.tick()
        for i in range(side * side):
            result[row + i // side, col + i % side] = context.get(unit.totals[i])

    async def bench(context: Any) -> None:
        for row in range(0, len(x), side):
            for col in range(0, y.shape[1], side):
                await tile(context, row, col)

    _simulate(unit, bench)
    return result[:m, :n]


def _simulate(unit: Any, bench: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        simulator = Simulator(unit)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
