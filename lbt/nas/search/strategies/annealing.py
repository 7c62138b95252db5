"""Simulated annealing: move to a neighbour if it is better, or with probability exp(Δ / temperature).

Kirkpatrick et al., Science 1983. The temperature is in the unit of the value and falls geometrically from
``options.temperature`` by a factor of 100 over the budget of evaluations. A walk that only meets rows that it knows
starts again elsewhere, at the temperature where it is.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from lbt.nas.search.run import SearchOptions
from lbt.nas.space import CellSpace


def propose(
    space: CellSpace, generator: np.random.Generator, options: SearchOptions
) -> Generator[np.ndarray, np.ndarray, None]:
    """A walk from one random row."""
    seen, stuck = set(), 0
    current = space.sample(1, generator)[0]
    value = (yield current[None])[0]
    temperature = options.temperature
    while True:
        other = space.sample(1, generator)[0] if stuck > 50 else space.mutate(current, generator)
        jumped = stuck > 50
        stuck = stuck + 1 if other.tobytes() in seen and not jumped else 0
        seen.add(other.tobytes())
        other_value = (yield other[None])[0]
        if jumped or other_value >= value or generator.random() < np.exp((other_value - value) / temperature):
            current, value = other, other_value
        temperature = max(temperature * 0.01 ** (1 / options.queries), options.temperature / 100)
