"""This project's own supernet: can a predictor clean its scores, and where in the space can they be trusted?

The supernet of :mod:`lbt.nas.supernet` is trained on MNIST with its default params and gives 2,000 cells of the
training half a one-shot accuracy; what we want to know is their stand-alone accuracy on CIFAR-10, another data set. It
is a small supernet (half a minute on one core), so this says how to use such scores, not how good they can be.

``score`` are the scores themselves on the cells that have one; ``fitted`` a path-feature Gaussian process fitted on the
scores, judged on the same cells; ``held_out`` the same process on the held-out half. With k true labels besides:
``alone`` a process on the k labels, ``prior`` the process on the scores as the prior mean (multi-fidelity: a process on
the k labels that gets the other's prediction as a feature group of its own).

``subspace/{edge}/{operation}`` is the tau of the scores among the cells that have this operation on that edge.
``halves`` is the tau between the scores on one half of the validation images and on the other: their own noise.
``trusted``: a process on the half of the scored cells whose operations lie in subspaces where these halves agree most
(no label is looked at), which interpolates the rest; judged on the held-out half beside ``any_half``, a process on as
many scored cells at random.
"""

from __future__ import annotations

import numpy as np
import torch

from lbt.data import DomainSpec, load_domain, to_float
from lbt.nas.predictors.encoders.paths_gp import process_of
from lbt.nas.predictors.gp import GaussianProcess, normal_scores
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.stage import halves
from lbt.nas.supernet import Supernet, predictions
from lbt.nas.supernet.params import SupernetParams
from lbt.nas.supernet.stage import fit as fit_supernet
from lbt.nas.tables import Table

SCORED, COUNTS, STEPS = 2000, (20, 78), 1500


def run(table: Table, target: str, seed: int) -> dict[str, float]:
    """``{score, fitted, held_out}/kendall_tau``, ``{k}/{alone, prior}/kendall_tau``, ``subspace/…/kendall_tau``."""
    values = table.target(target)
    train, held = halves(len(table), seed)
    scored = train[:SCORED]
    right = one_shot(table.rows[scored], seed)
    scores, parts = right.mean(axis=1), (right[:, 0::2].mean(axis=1), right[:, 1::2].mean(axis=1))
    process = process_of(table.space, table.rows[scored], scores, seed)
    clean = process.process.mean(process.groups(table.rows))
    found = {
        "score/kendall_tau": kendall_tau(scores, values[scored]),
        "fitted/kendall_tau": kendall_tau(clean[scored], values[scored]),
        "held_out/kendall_tau": kendall_tau(clean[held], values[held]),
        "halves/kendall_tau": kendall_tau(*parts),
    }
    for name, half in (("trusted", agreeing(table, scored, parts)), ("any_half", np.arange(SCORED // 2))):
        part = process_of(table.space, table.rows[scored[half]], scores[half], seed)
        found[f"{name}/kendall_tau"] = kendall_tau(part.predict(table.rows[held])[0], values[held])
    groups = [((clean - clean.mean()) / clean.std())[:, None], *process.groups(table.rows)]
    for count in COUNTS:
        few = train[SCORED : SCORED + count]
        for name, chosen in (("alone", groups[1:]), ("prior", groups)):
            fitted = GaussianProcess([g[few] for g in chosen], normal_scores(values[few]))
            found[f"{count}/{name}/kendall_tau"] = kendall_tau(fitted.mean([g[held] for g in chosen]), values[held])
    for slot, (i, j) in enumerate(table.space.edges):
        for operation, name in enumerate(table.space.operations):
            here = table.rows[scored, slot] == operation
            found[f"subspace/{i}>{j}/{name}/kendall_tau"] = kendall_tau(scores[here], values[scored[here]])
    return found


def agreeing(table: Table, scored: np.ndarray, parts: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Half of the scored cells (places in ``scored``): those whose six subspaces' halves agree most, on average."""
    rows = table.rows[scored]
    trust = np.zeros(len(rows))
    for slot in range(rows.shape[1]):
        for operation in range(len(table.space.operations)):
            here = rows[:, slot] == operation
            trust[here] += kendall_tau(parts[0][here], parts[1][here])
    return np.argsort(-trust, kind="stable")[: len(rows) // 2]


def one_shot(rows: np.ndarray, seed: int) -> np.ndarray:
    """True where a supernet trained on MNIST is right, bool (N, images), of NAS-Bench-201 rows."""
    domain, params = load_domain(DomainSpec(kind="mnist")), SupernetParams(seed=seed, steps=STEPS)
    supernet = Supernet(params.channels, len(domain.train.classes), 1, params.cells, seed)
    supernet = supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fit_supernet(supernet, to_float(domain.train), torch.from_numpy(domain.train.labels), params)
    return predictions(supernet, to_float(domain.validation), rows) == domain.validation.labels
