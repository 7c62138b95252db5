"""The search: waves of short trainings, then full trainings of the front's networks, within waves and minutes.

The clock, where it has a say, decides when to stop and nothing else: the order of the work is a pure function of the
seed, and what an earlier run did counts with the seconds that it took.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lbt.errors import LbtError
from lbt.nas.choose.answer import Short
from lbt.nas.choose.limits import kilobytes, millijoules
from lbt.nas.choose.propose import Proposer, cheapest
from lbt.nas.choose.report import front_lines
from lbt.nas.choose.setting import NARROWEST, Setting
from lbt.nas.choose.trial import Trial, trial, values
from lbt.nas.spaces.chain import HAND_MADE
from lbt.pareto import pareto

SHORT = 0.6
"""Share of the minutes after which no further wave begins."""
FREE_IMAGES = 32


@dataclass(frozen=True)
class Found:
    """Knowledge of the search.

    Attributes:
        short: short trainings, the hand-made network first.
        short_values: worth of each, see :func:`lbt.nas.choose.trial.values`.
        full: full trainings of the front's networks, the best of the search first; the hand-made network is last.
        full_values: worth of each.
    """

    short: list[Trial]
    short_values: np.ndarray
    full: list[Trial]
    full_values: np.ndarray

    @property
    def candidates(self) -> list[Trial]:
        """The full trainings without the hand-made network's."""
        return self.full[:-1]


def search(setting: Setting) -> Found:
    """Search.

    Raises:
        LbtError: no network of the space meets the limits; the line names the nearest that was found.
    """
    validation = setting.task.examples("source", "validation").labelled()
    images = setting.task.examples("source", "train").labelled().images[:FREE_IMAGES]
    start = cheapest(setting)
    if not setting.feasible(start):
        raise LbtError(_nothing_meets(setting, start))
    proposer = Proposer(setting, images, start)
    short = _short(setting, proposer, len(validation))
    worth = values(short, len(validation))
    finalists = _finalists(setting, short, worth)
    full = [*_full(setting, finalists), trial(setting, HAND_MADE, setting.options.steps, setting.options.seed)]
    return Found(short, worth, full, values(full, len(validation)))


def _short(setting: Setting, proposer: Proposer, validation: int) -> list[Trial]:
    """The hand-made network and the waves' networks."""
    options, seed = setting.options, setting.options.seed
    trials = [trial(setting, HAND_MADE, options.trial_steps, seed)]
    for wave in range(options.waves):
        if wave and setting.left() < (1 - SHORT) * 60 * setting.minutes:
            setting.dropped.append(f"{options.waves - wave} of {options.waves} waves of short trainings")
            break
        before = values(trials, validation)
        for text in proposed(setting, proposer, wave, trials, before):
            trials.append(trial(setting, text, options.trial_steps, seed))
            one, price = trials[-1], setting.price(text)
            setting.say(
                f"  {len(trials) - 1:>3}  source {one.source:5.1f} %, target expected {one.expected:5.1f} %, "
                f"{millijoules(price.energy)}  {text}"
            )
        for line in front_lines(shorts(setting, trials, values(trials, validation))):
            setting.say(line)
    return trials


def proposed(setting: Setting, proposer: Proposer, wave: int, trials: Sequence[Trial], worth: np.ndarray) -> list[str]:
    """The networks of a wave, or what an earlier run proposed from the same trials."""
    of = {
        "wave": wave,
        "options": setting.options.model_dump(include={"seed", "wave", "pool", "batch"}),
        "known": [[one.text, float(value)] for one, value in zip(trials, worth, strict=True)],
        **setting.asked,
    }
    found: list[str] = setting.state.kept("wave", of, lambda: {"networks": proposer.propose(wave, trials, worth)})[
        "networks"
    ]
    return found


def front(setting: Setting, trials: Sequence[Trial], worth: np.ndarray) -> list[int]:
    """Trials that may meet the limits and that no other beats in worth and energy, as positions, cheapest first."""
    able = [n for n, one in enumerate(trials) if setting.feasible(one.text) and one.source > 0]
    energies = [setting.price(trials[n].text).energy for n in able]
    return [able[n] for n in pareto(worth[able], energies)]


def shorts(setting: Setting, trials: Sequence[Trial], worth: np.ndarray) -> list[Short]:
    """Short trainings as data."""
    best = front(setting, trials, worth)
    return [
        Short(one.text, float(value), setting.price(one.text).energy, place in best)
        for place, (one, value) in enumerate(zip(trials, worth, strict=True))
    ]


def _finalists(setting: Setting, trials: Sequence[Trial], worth: np.ndarray) -> list[str]:
    """Networks for a full training, the best first: the front's, and then the next best while there are too few."""
    order = sorted(front(setting, trials, worth), key=lambda n: -worth[n])
    able = [n for n in np.argsort(-worth, kind="stable") if setting.feasible(trials[n].text) and trials[n].source > 0]
    order += [int(n) for n in able if n not in order]
    return [trials[n].text for n in order if trials[n].text != HAND_MADE][: setting.options.points]


def _full(setting: Setting, finalists: Sequence[str]) -> list[Trial]:
    full: list[Trial] = []
    for text in finalists:
        if full and setting.left() < max(one.seconds for one in full):
            setting.dropped.append(f"{len(finalists) - len(full)} of {len(finalists)} full trainings")
            break
        full.append(trial(setting, text, setting.options.steps, setting.options.seed))
        one = full[-1]
        setting.say(f"  full: source {one.source:.1f} %, target expected {one.expected:.1f} %  {text}")
    return full


def _nothing_meets(setting: Setting, text: str) -> str:
    """One line for limits that are too tight."""
    price = setting.price(text, NARROWEST)
    state = "takes" if price.fits else f"does not fit {setting.shop.name}, taking"
    cost = (
        f"{millijoules(price.energy)} a trained image and {kilobytes(price.memory)} for a step of {setting.shop.batch}"
    )
    return (
        f"no network meets {setting.limits} on {setting.shop.name}; the nearest, {text!r} in {NARROWEST}, {state} "
        f"{cost}; accepted: limits from there on"
    )
