"""Simulated annealing: move to a neighbour if it is better, or with probability exp(Δ / temperature).

Kirkpatrick et al., Science 1983. The temperature is in the unit of the value and falls geometrically from
``options.temperature`` by a factor of 100 over the budget of evaluations.
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
    current = space.sample(1, generator)[0]
    value = (yield current[None])[0]
    temperature = options.temperature
    while True:
        other = space.mutate(current, generator)
        other_value = (yield other[None])[0]
        if other_value >= value or generator.random() < np.exp((other_value - value) / temperature):
            current, value = other, other_value
        temperature = max(temperature * 0.01 ** (1 / options.queries), options.temperature / 100)
