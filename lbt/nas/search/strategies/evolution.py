"""Regularised evolution: tournament selection, one mutation, the oldest dies (Real et al., AAAI 2019)."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator

import numpy as np

from lbt.nas.search.run import SearchOptions
from lbt.nas.space import CellSpace


def propose(
    space: CellSpace, generator: np.random.Generator, options: SearchOptions
) -> Generator[np.ndarray, np.ndarray, None]:
    """``options.population`` random rows, then one child of the best of ``options.tournament`` at a time."""
    rows = space.sample(options.population, generator)
    values = yield rows
    population = deque(zip(rows, values, strict=True), maxlen=options.population)
    while True:
        chosen = generator.choice(len(population), size=options.tournament, replace=False)
        parent, _ = max((population[i] for i in chosen), key=lambda member: member[1])
        child = space.mutate(parent, generator)
        values = yield child[None]
        population.append((child, values[0]))
