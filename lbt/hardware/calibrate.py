"""``lbt calibrate``: a processor's factors from few measurements, by ridge regression towards its data sheet.

    minimise Σ ((Σ_j f_j·T_ij - t_i) / t_i)² + λ·Σ_j w_j·(f_j/s - 1)²    over f ≥ 0

T_ij: microseconds of network i in part j at the data sheet's numbers (:data:`lbt.hardware.processor.TERMS`), w_j the
mean share of part j, s the common factor that fits best alone. λ is chosen by predicting each network from a fit to
others (leave-one-out, or FOLDS parts of a larger table), ∞ (the common factor alone) among the choices, so that a
handful of measurements does not make a data sheet's order worse by its noise.
Since a layer waits for the slower of computation and memory, the split changes with the factors; it is made again until
it stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from scipy.stats import kendalltau

from lbt.errors import LbtError
from lbt.hardware.layers import Layer
from lbt.hardware.processor import TERMS, Factors, Processor, run

STRENGTHS = (np.inf, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""λ per measurement, the strongest first."""
ROUNDS = 4
FEWEST = 3
"""Measurements below which there is nothing to leave out."""
FOLDS = 24
"""Parts of a table that are left out in turn; of fewer networks each one is left out alone."""
ONE_FACTOR = 5
"""Of fewer networks a common factor alone is fitted: what leaving one of so few out says of λ is noise."""
OTHER_UNIT = 1e5
"""Measurements that are so many times the data sheet's, or so many times less, are in another unit."""
UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0, "images/s": 0.0}
"""Microseconds of a unit of latency; a throughput is of all cores and their images."""
Network = Sequence[Layer]


@dataclass(frozen=True)
class Calibration:
    """A calibrated processor, and how far to trust it.

    Attributes:
        processor: with the fitted factors.
        measured: (N,) microseconds of an inference.
        before: (N,) predicted by the data sheet.
        left_out: (N,) predicted for each by a fit that left it out, alone or with others.
        strength: λ per measurement that was chosen; ∞: a common factor alone.
    """

    processor: Processor
    measured: np.ndarray
    before: np.ndarray
    left_out: np.ndarray
    strength: float

    @property
    def tau_before(self) -> float:
        """Kendall's tau of the data sheet's order."""
        return tau(self.before, self.measured)

    @property
    def tau(self) -> float:
        """Kendall's tau of the networks that were left out."""
        return tau(self.left_out, self.measured)

    @property
    def error(self) -> float:
        """Median relative error of the networks that were left out."""
        return float(np.median(np.abs(self.left_out / self.measured - 1)))

    @property
    def error_before(self) -> float:
        """The same of the data sheet."""
        return float(np.median(np.abs(self.before / self.measured - 1)))

    def __str__(self) -> str:
        changed = self.processor.factors.model_dump()
        common = "one common factor" if np.isinf(self.strength) else f"shrinkage {self.strength:g}"
        return "\n".join([
            f"{len(self.measured)} measurements; {common}",
            f"  data sheet:    median error {self.error_before:6.1%}, Kendall's tau {self.tau_before:.3f}",
            f"  calibrated:    median error {self.error:6.1%}, Kendall's tau {self.tau:.3f}  (each left out once)",
            "  factors:       " + ", ".join(f"{name} {value:.3g}" for name, value in changed.items()),
        ])  # fmt: skip


def calibrate(networks: Sequence[Network], measured: Sequence[float], processor: Processor) -> Calibration:
    """Fit the factors of ``processor``.

    Args:
        networks: the layers of each measured network.
        measured: microseconds of an inference on one core, positive.
        processor: the data sheet; factors that it has already are where the fit starts from.

    Raises:
        LbtError: fewer than three different networks, a measurement that is not positive, or measurements so far from
            the data sheet that they must be in another unit.
    """
    times = np.asarray(measured, float)
    different = len({tuple(network) for network in networks})
    if different < FEWEST:
        raise LbtError(
            f"calibrate: found {len(times)} measurements of {different} networks; accepted: {FEWEST} or more"
        )
    wrong = ~(np.isfinite(times) & (times > 0))
    if wrong.any():
        first = int(wrong.argmax())
        raise LbtError(f"calibrate: measurement {first + 1} is {times[first]:g}; accepted: positive")
    split = _Split(networks, processor)
    before = split.parts(np.ones(len(TERMS)), slice(None)).sum(1)
    ratio = float(np.median(times / before))
    if not 1 / OTHER_UNIT < ratio < OTHER_UNIT:
        raise LbtError(
            f"calibrate: the measurements are {ratio:.2g} × the data sheet's latencies; accepted: within "
            f"{OTHER_UNIT:,.0f} × (--unit says whether they are in s, ms, us or images/s)"
        )
    strengths = STRENGTHS if different >= ONE_FACTOR else STRENGTHS[:1]
    left_out = {strength: _left_out(split, times, strength) for strength in strengths}
    best = min(strengths, key=lambda strength: _loss(left_out[strength], times))
    found = split.known * _fit(split, times, best)
    factors = Factors(**dict(zip(TERMS, found.tolist(), strict=True)))
    return Calibration(processor.model_copy(update={"factors": factors}), times, before, left_out[best], best)


def tau(predicted: np.ndarray, measured: np.ndarray) -> float:
    """Kendall's tau-b; 0 where all values of one side are equal, which have no order."""
    if len(predicted) < 2 or np.ptp(predicted) == 0 or np.ptp(measured) == 0:
        return 0.0
    return float(kendalltau(predicted, measured).statistic)


class _Split:
    """The parts of the latencies of several networks, as a function of changes to a processor's factors."""

    def __init__(self, networks: Sequence[Network], processor: Processor) -> None:
        self.known = np.array([getattr(processor.factors, term) for term in TERMS])
        place = {term: number for number, term in enumerate(TERMS)}
        group = {network: number for number, network in enumerate(dict.fromkeys(map(tuple, networks)))}
        # one network measured twice is left out together: the other measurement would tell its latency
        self.fold = np.array([group[tuple(network)] % FOLDS for network in networks])
        timed = [(owner, one) for owner, each in enumerate(networks) for one in run(each, processor).layers]
        self.number = len(networks)
        self.owner = np.array([owner for owner, _ in timed])
        self.term = np.array([place[one.term] for _, one in timed])
        self.compute, self.memory, self.launches = np.array([(t.compute, t.memory, t.launch) for _, t in timed]).T
        self.image = processor.overhead.image * processor.factors.image

    def parts(self, change: np.ndarray, which: np.ndarray | slice) -> np.ndarray:
        """Microseconds (M, T) of the networks ``which`` with each factor times ``change`` (T,)."""
        traffic, launch, image = (TERMS.index(name) for name in ("traffic", "launch", "image"))
        busy, waiting = self.compute * change[self.term], self.memory * change[traffic]
        term = np.where(busy >= waiting, self.term, traffic)
        places, size = self.owner * len(TERMS) + term, self.number * len(TERMS)
        found = np.bincount(places, np.maximum(busy, waiting), minlength=size).reshape(self.number, len(TERMS))
        found[:, launch] += np.bincount(self.owner, self.launches, minlength=self.number) * change[launch]
        found[:, image] += self.image * change[image]
        return found[which]


def _loss(predicted: np.ndarray, times: np.ndarray) -> float:
    return float(np.mean((predicted / times - 1) ** 2))


def _left_out(split: _Split, times: np.ndarray, strength: float) -> np.ndarray:
    """Prediction for each network by a fit to those of other folds."""
    found = np.empty_like(times)
    for one in range(int(split.fold.max()) + 1):
        change = _fit(split, times, strength, np.flatnonzero(split.fold != one))
        found[split.fold == one] = split.parts(change, split.fold == one).sum(1)
    return found


def _fit(split: _Split, times: np.ndarray, strength: float, which: np.ndarray | slice = slice(None)) -> np.ndarray:
    """The change (T,) of the factors, of those rounds the one that is nearest to the measurements."""
    change, best, least = np.ones(len(TERMS)), np.ones(len(TERMS)), np.inf
    for _ in range(ROUNDS):
        parts = split.parts(change, which)
        change = _factors(parts / np.where(change > 0, change, 1.0), times[which], strength)
        loss = _loss(split.parts(change, which).sum(1), times[which])
        if loss < least:
            best, least = change, loss
    return best


def _factors(parts: np.ndarray, times: np.ndarray, strength: float) -> np.ndarray:
    """Factors (T,) of the parts (N, T)."""
    scaled = parts / times[:, None]
    total = scaled.sum(1)
    common = float(total.sum() / (total @ total))
    if np.isinf(strength):
        return np.full(parts.shape[1], common)
    share = scaled.mean(0) * common
    weight = np.sqrt(strength * len(times) * np.maximum(share, 1e-9))
    found, _ = nnls(np.vstack([scaled * common, np.diag(weight)]), np.concatenate([np.ones(len(times)), weight]))
    return np.where(share > 0, found, 1.0) * common


def unit_of(column: str, given: str | None) -> str:
    """The unit of a column of measurements: as given, or as its name says (``latency_ms``, ``fps``).

    Raises:
        LbtError: the name says nothing.
    """
    if given is not None:
        return given
    name = column.lower()
    if any(word in name for word in ("fps", "throughput", "per_second", "images/s", "img/s")):
        return "images/s"
    ending = name.replace("(", "_").replace(")", "").replace(" ", "_").rpartition("_")[2]
    if ending in ("s", "ms", "us"):
        return ending
    raise LbtError(f"--unit: the name of column {column} does not tell it; accepted: {', '.join(UNITS)}")


def microseconds(values: Sequence[float], unit: str, processor: Processor) -> np.ndarray:
    """Microseconds of an inference on one core from measurements in ``unit``."""
    found = np.asarray(values, float)
    if unit == "images/s":
        with np.errstate(divide="ignore"):
            return 1e6 * processor.cores * processor.images / found
    return found * UNITS[unit]
