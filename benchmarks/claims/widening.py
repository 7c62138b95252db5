"""Reinforcement learning of a controller by ranking: widen the gaps where the order holds.

A controller without a network, one softmax an edge of NAS-Bench-201, draws :data:`BATCH` cells at a time and learns
from :data:`EVALUATIONS` noisy accuracies (deviation :data:`NOISE` points, as between two trainings):

- ``value``: REINFORCE (Williams 1992); the advantage is the accuracy minus a moving average, over a moving deviation;
- ``rank``: the same with the centred rank in the batch as the advantage;
- ``widening``: no advantage. Of each pair among the last :data:`WINDOW` cells whose accuracies are further apart than
  twice the noise, so that their order holds, the better one's log probability is pushed above the worse one's by a
  margin (a hinge); pairs nearer than that are left alone.

A reward's rate is the best of :data:`RATES` on ten seeds that no row has. ``regret``: the table's best accuracy minus
that of the cell with the best noisy accuracy; ``mode``: minus that of the controller's most probable cell at the end.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import _runs
import numpy as np

from . import _architectures as shared
from . import _rows

NUMBER, SEEDS, TRIALS = 19, tuple(range(5, 25)), tuple(range(100, 110))
EVALUATIONS, BATCH, NOISE, WINDOW, MARGIN = 200, 10, 1.0, 40, 2.0
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
REWARDS = ("value", "rank", "widening")
Found = tuple[np.ndarray, np.ndarray]
"""Rows (N, 6) and their noisy accuracies (N,), in order."""


def jobs() -> Iterator[tuple[str, int, Any]]:
    """Random choice and every reward of one seed together."""
    for seed in SEEDS:
        yield "search", seed, functools.partial(run, seed)


def run(seed: int) -> dict[str, float]:
    """Regrets of random choice and of each reward."""
    made = {"random/regret": search("value", 0.0, seed)[0]}
    for reward in REWARDS:
        made[f"{reward}/regret"], made[f"{reward}/mode"] = search(reward, chosen_rate(reward), seed)
    return made


@functools.cache
def chosen_rate(reward: str) -> float:
    """The rate with the smallest mean regret on the trial seeds."""
    return min(RATES, key=lambda rate: np.mean([search(reward, rate, seed)[0] for seed in TRIALS]))


def search(reward: str, rate: float, seed: int) -> tuple[float, float]:
    """Regret of the best noisy evaluation, and of the controller's mode; a rate of 0 is random choice."""
    draw, truth, space = np.random.default_rng(seed), shared.values(), shared.table().space
    kinds = len(space.operations)
    logits = np.zeros((len(space.edges), kinds))
    rows, seen = np.zeros((0, len(logits)), int), np.zeros(0)
    for _ in range(EVALUATIONS // BATCH):
        chance = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        fresh = np.stack([draw.choice(kinds, BATCH, p=one) for one in chance], 1)
        values = truth[space.index(fresh)] + NOISE * draw.normal(size=BATCH)
        rows, seen = np.concatenate([rows, fresh]), np.concatenate([seen, values])
        logits += rate * GRADIENTS[reward]((rows, seen), chance)
    best, mode = rows[int(seen.argmax())], logits.argmax(1)
    regrets = truth.max() - truth[space.index(np.stack([best, mode]))]
    return float(regrets[0]), float(regrets[1])


def scores(rows: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Gradient of each row's log probability by the logits, (N, 6, 5)."""
    return np.eye(chance.shape[1])[rows] - chance


def by_value(found: Found, chance: np.ndarray) -> np.ndarray:
    """REINFORCE on the accuracy."""
    rows, seen = found
    before = seen[-WINDOW:]
    advantage = (seen[-BATCH:] - before.mean()) / max(before.std(), 1e-9)
    return np.einsum("n,nij->ij", advantage, scores(rows[-BATCH:], chance))


def by_rank(found: Found, chance: np.ndarray) -> np.ndarray:
    """REINFORCE on the centred rank, from -1 to 1."""
    rows, seen = found
    rank = seen[-BATCH:].argsort().argsort()
    return np.einsum("n,nij->ij", 2 * rank / (BATCH - 1) - 1, scores(rows[-BATCH:], chance))


def by_gaps(found: Found, chance: np.ndarray) -> np.ndarray:
    """The hinge on the log probabilities of pairs whose order holds; mean over pairs, times the batch."""
    rows, seen = (part[-WINDOW:] for part in found)
    logs = np.log(chance)[np.arange(rows.shape[1]), rows].sum(1)
    better = seen[:, None] - seen > 2 * NOISE
    pushed = better & (logs[:, None] - logs < MARGIN)
    weight = (pushed.sum(1) - pushed.sum(0)) * BATCH / max(int(better.sum()), 1)
    return np.einsum("n,nij->ij", weight, scores(rows, chance))


GRADIENTS: dict[str, Callable[[Found, np.ndarray], np.ndarray]] = {
    "value": by_value, "rank": by_rank, "widening": by_gaps,
}  # fmt: skip


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Regrets, and how far each reward is ahead of random choice and of ``value``."""
    made: list[_rows.Row] = []
    runs = [one for _, one in sorted(found["search"].items())]
    for name in [one for one in runs[0] if one not in ("job", "seed")]:
        made.append(_runs.row(f"claim/{NUMBER}/{name}", [one[name] for one in runs], "points"))
    for name in REWARDS:
        for other in ("random", "value"):
            ahead = [one[f"{other}/regret"] - one[f"{name}/regret"] for one in runs]
            made.append(_runs.paired(f"claim/{NUMBER}/{other} minus {name}/regret", ahead))
    return made
