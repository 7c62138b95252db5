"""Does an uncertainty say how wrong a prediction is? The Gaussian process's own, and that of five GATES networks.

Everything is in normal scores of the training values, a unit that is known in advance. The networks are trained with
the squared loss, each without one fifth of the cells. ``raw`` takes their disagreement as it is; ``scaled`` multiplies
it by one number, the root mean square of the standardised errors on the cells that each network did not see (so no
held-out information is used). The process's deviation includes its own estimate of the noise.
"""

from __future__ import annotations

import numpy as np

from lbt.nas.predictors.encoders.paths_gp import process_of
from lbt.nas.predictors.fit import Neural, Options, fit
from lbt.nas.predictors.gp import normal_scores
from lbt.nas.predictors.metrics import calibration_error, kendall_tau, log_likelihood
from lbt.nas.predictors.stage import halves
from lbt.nas.tables import Table

COUNTS, FOLDS, EPOCHS = (78, 390), 5, 60


def run(table: Table, target: str, seed: int) -> dict[str, float]:
    """``{k}/{process, raw, scaled}/{calibration_error, log_likelihood, error_tau}`` on the held-out half.

    ``error_tau`` is Kendall's tau between the deviation and the absolute error.
    """
    values = table.target(target)
    train, held = halves(len(table), seed)
    found: dict[str, float] = {}
    for count in COUNTS:
        few = train[:count]
        known = normal_scores(values[few])
        truth = np.interp(values[held], np.sort(values[few]), np.sort(known))
        process = process_of(table.space, table.rows[few], values[few], seed)
        mean, own = process.predict(table.rows[held])
        noise = float(process.process.log[-2].exp())
        answers = {"process": (mean, np.sqrt(own**2 + noise))}

        options = Options(loss="mse", members=FOLDS, validation=1 / FOLDS, epochs=EPOCHS)
        networks = fit("gates", table.space, table.rows[few], known, options, seed)
        assert isinstance(networks, Neural)
        mean, spread = networks.predict(table.rows[held])
        answers["raw"] = mean, spread
        answers["scaled"] = mean, spread * _factor(networks, table.rows[few], known)
        for name, (mean, deviation) in answers.items():
            found |= {
                f"{count}/{name}/calibration_error": calibration_error(mean, deviation, truth),
                f"{count}/{name}/log_likelihood": log_likelihood(mean, deviation, truth),
                f"{count}/{name}/error_tau": kendall_tau(deviation, np.abs(mean - truth)),
            }
    return found


def _factor(networks: Neural, rows: np.ndarray, values: np.ndarray) -> float:
    """Root mean square of (error of the network that did not see the cell) / (spread of all networks)."""
    scores = networks.scores(rows)
    ratios = [
        (scores[member, cells] - values[cells]) / np.maximum(scores[:, cells].std(0), 1e-6)
        for member, cells in enumerate(networks.held)
    ]
    return float(np.sqrt(np.mean(np.square(ratios))))
