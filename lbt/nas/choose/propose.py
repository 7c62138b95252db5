"""Candidates for the next wave: of a pool that is priced and scored for free, the best at each of several energies.

The first wave begins with the hand-made network made narrower, as MobileNets are by their width multiplier: within a
budget, what is known to transfer comes first. For the rest "best" is at first the rank of the free scores; once a few
networks were trained, the upper confidence bound of a Gaussian process on the networks' encodings and free scores.
Taking the best below each of several energies, spread between the cheapest and the limit, looks for the whole front at
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from lbt.models import build
from lbt.nas.choose.setting import NARROWEST, Setting
from lbt.nas.choose.trial import Trial
from lbt.nas.free_scores import NAMES, free_scores, rank_sum
from lbt.nas.predictors.gp import GaussianProcess, normal_scores
from lbt.nas.spaces.chain import HAND_MADE, WIDTHS

LEAST = 6
"""Trained networks from which a predictor is fitted."""
DRAWS = 20
"""Most draws for each place of a pool."""
EXPLORE = 0.5
"""Deviations added to a prediction."""


@dataclass
class Proposer:
    """Candidates by wave; a pure function of the seed and of the trials that it is shown.

    Attributes:
        setting: what is chosen for.
        images: some of the source's, for the free scores, (N, C, H, W).
        start: a network that meets the limits.
    """

    setting: Setting
    images: Tensor
    start: str
    _scores: dict[str, dict[str, float]] = field(default_factory=dict)

    def propose(self, wave: int, trials: Sequence[Trial], values: np.ndarray) -> list[str]:
        """At most ``options.wave`` networks that were not trained."""
        known = {one.text for one in trials}
        first = [] if wave else [text for text in self.narrowed() if text not in known][: self.setting.options.wave]
        if len(first) == self.setting.options.wave:
            return first
        pool = [text for text in self.pool(wave, trials, values) if text not in (*known, *first)]
        if not pool:
            return first
        worth = self._worth(pool, trials, values)
        energies = np.array([self.setting.price(text).energy for text in pool])
        top = min(self.setting.limits.energy * 1.6, energies.max())  # narrower formats save that much at most
        chosen: list[int] = []
        free = self.setting.options.wave - len(first)
        for bound in np.geomspace(max(energies.min(), top / 8), top, free)[::-1]:
            open_ = [n for n in np.argsort(-worth, kind="stable") if energies[n] <= bound * 1.0001 and n not in chosen]
            chosen += open_[:1]
        return [*first, *(pool[n] for n in chosen)]

    def narrowed(self) -> list[str]:
        """The hand-made network with each width one, two, … choices smaller, where that may meet the limits."""
        space = self.setting.space
        row = space.parse(HAND_MADE)
        found = dict.fromkeys(space.key(space.narrower(row, places)) for places in range(1, len(WIDTHS)))
        return [text for text in found if self.setting.feasible(text)]

    def pool(self, wave: int, trials: Sequence[Trial], values: np.ndarray) -> list[str]:
        """Networks that may meet the limits: half drawn, half mutations of the best (at first of the hand-made one)."""
        space, wanted = self.setting.space, self.setting.options.pool
        generator = np.random.default_rng([self.setting.options.seed, wave])
        order = np.argsort(-values, kind="stable")[:8]
        parents = [space.parse(trials[n].text) for n in order] or [space.parse(HAND_MADE)]
        found = self._drawn(parents, wanted, generator)
        if len(found) >= max(1, wanted // 4):
            return found
        return list(dict.fromkeys([*found, self.start, *self._drawn([space.parse(self.start)], wanted, generator)]))

    def _drawn(self, parents: Sequence[np.ndarray], wanted: int, generator: np.random.Generator) -> list[str]:
        """At most ``wanted`` networks, random rows and one to four mutations of ``parents`` in turn."""
        space = self.setting.space
        found: dict[str, None] = {}
        for turn in range(DRAWS * wanted):
            row = space.sample(1, generator)[0] if turn % 2 else parents[int(generator.integers(len(parents)))]
            for _ in range(0 if turn % 2 else int(generator.integers(1, 5))):
                row = space.mutate(row, generator)
            text = space.key(row)
            if text not in found and space.network(row).stages and self.setting.feasible(text):
                found[text] = None
            if len(found) == wanted:
                break
        return list(found)

    def _worth(self, pool: list[str], trials: Sequence[Trial], values: np.ndarray) -> np.ndarray:
        scores = [self._free(text) for text in pool]
        if len(trials) < LEAST:
            return rank_sum(scores)
        seen = [self._free(one.text) for one in trials]
        table = np.array([[one[name] for name in NAMES] for one in [*seen, *scores]])
        table = (table - table.mean(0)) / np.maximum(table.std(0), 1e-9)
        space = self.setting.space
        vectors = space.vector(np.array([space.parse(text) for text in [*(one.text for one in trials), *pool]]))
        old, new = ([group[part] for group in (vectors, table)] for part in (slice(len(seen)), slice(len(seen), None)))
        mean, deviation = GaussianProcess(old, normal_scores(values)).predict(new)
        return mean + EXPLORE * deviation

    def _free(self, text: str) -> dict[str, float]:
        if text not in self._scores:
            network = build(text, len(self.setting.task.classes), self.setting.task.channels)
            self._scores[text] = free_scores(network, self.images)
        return self._scores[text]


def cheapest(setting: Setting, tries: int = 100) -> str:
    """A network that meets the limits in the narrowest formats, or misses them by least: a greedy walk of mutations."""
    space, generator = setting.space, np.random.default_rng(setting.options.seed)
    best = space.parse("chain 8s2 conv3w16d1")
    least = setting.limits.excess(setting.price(space.key(best), NARROWEST))
    for _ in range(tries):
        if least <= 0:
            break
        other = space.mutate(best, generator)
        if not space.network(other).stages:
            continue
        if (found := setting.limits.excess(setting.price(space.key(other), NARROWEST))) < least:
            best, least = other, found
    return space.key(best)
