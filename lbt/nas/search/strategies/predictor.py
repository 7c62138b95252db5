"""Predictor-guided search, iterated: fit on what was evaluated, propose the most promising, evaluate, fit again.

Candidates are ranked by the upper confidence bound ``mean + options.explore · deviation``. They are the whole space
where it can be listed, otherwise fresh random rows and the neighbours of the best rows so far.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from lbt.nas.predictors.fit import Options, fit
from lbt.nas.search.run import SearchOptions
from lbt.nas.space import CellSpace

LISTED = 50_000
"""Spaces up to this size are scored whole."""


def propose(
    space: CellSpace, generator: np.random.Generator, options: SearchOptions
) -> Generator[np.ndarray, np.ndarray, None]:
    """``options.initial`` random rows, then ``options.step`` rows per fit of ``options.predictor``."""
    rows = space.sample(options.initial, generator)
    values = yield rows
    while True:
        seed = int(generator.integers(2**31))
        fitted = fit(options.predictor, space, rows, values, Options(epochs=options.epochs, members=3), seed)
        seen = {row.tobytes() for row in rows}
        pool = _candidates(space, rows, values, generator)
        pool = pool[[row.tobytes() not in seen for row in pool]]
        if not len(pool):
            pool = space.sample(options.step, generator)
        mean, deviation = fitted.predict(pool)
        chosen = pool[np.argsort(-(mean + options.explore * deviation), kind="stable")[: options.step]]
        new = yield chosen
        rows, values = np.concatenate([rows, chosen]), np.concatenate([values, new])


def _candidates(space: CellSpace, rows: np.ndarray, values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    if space.size <= LISTED:
        return space.all()
    best = rows[np.argsort(-values, kind="stable")[:20]]
    near = np.concatenate([space.neighbours(row) for row in best])
    return np.unique(np.concatenate([space.sample(2000, generator), near]), axis=0)
