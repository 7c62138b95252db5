"""Judgements: a number with its uncertainty, and which verdict it gives.

A verdict is ``holds``, ``holds in part``, ``refuted`` or ``open``. What rests on fewer than :data:`SEEDS` seeds is
open, whatever the number; what is exact (a count, a calculation) needs no seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

SEEDS = 3
"""Seeds that a verdict needs."""
HOLDS, PART, REFUTED, OPEN = "holds", "holds in part", "refuted", "open"
Rows = Mapping[str, Mapping[str, Any]]
"""Rows of docs/results by ``FILE: ROW``; where the runs are known, ``seeds`` has each seed's value."""


@dataclass(frozen=True)
class Number:
    """A mean over seeds.

    Attributes:
        value: the mean.
        std: sample standard deviation over seeds; of a difference of two means None.
        half: half width of the 95 % interval of the mean; infinite for fewer than two seeds.
        n: seeds.
    """

    value: float
    std: float | None
    half: float
    n: int

    def __format__(self, spec: str) -> str:
        """``{:.1f}`` is ``3.1 ± 0.2``: mean and standard deviation, or half of the interval for a difference."""
        if not self.n:
            return "(not run)"
        shown = format(self.value, spec).replace("-", "−")
        spread = self.half if self.std is None else self.std
        if self.n < 2 or spread in (0.0, float("inf")):
            return shown
        return f"{shown} ± {format(spread, spec.replace('+', ''))}"


Quantity = Callable[[Rows], Number]
Judgement = Callable[[Rows], tuple[str, str, str]]
"""Rows → verdict, sentence, seeds."""


def row(key: str) -> Quantity:
    """The row ``FILE: NAME``."""

    def found(rows: Rows) -> Number:
        one = rows[key]
        n, std = int(one["n"]), float(one.get("std", 0.0))
        return Number(float(one["value"]), std, _half(std, n), n)

    return found


def minus(left: str, right: str) -> Quantity:
    """The difference of two rows: paired where both know their runs' seeds and share two, else of the means (Welch)."""

    def found(rows: Rows) -> Number:
        differences = _differences(rows, left, right)
        return _mean(differences) if len(differences) > 1 else _welch(row(left)(rows), row(right)(rows))

    return found


def pooled(*keys: str | tuple[str, str]) -> Quantity:
    """The mean over the runs of several rows, or of several paired differences (left, right), all counting alike."""

    def found(rows: Rows) -> Number:
        runs: list[float] = []
        for key in keys:
            one = list(rows[key]["seeds"].values()) if isinstance(key, str) else _differences(rows, *key)
            if not one:
                raise KeyError(f"{key} by seed")
            runs += one
        return _mean(runs)

    return found


def _differences(rows: Rows, left: str, right: str) -> list[float]:
    a, b = (rows[key].get("seeds", {}) for key in (left, right))
    return [a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())]


def _mean(runs: list[float]) -> Number:
    std = float(np.std(runs, ddof=1)) if len(runs) > 1 else 0.0
    return Number(float(np.mean(runs)), std, _half(std, len(runs)), len(runs))


def _welch(a: Number, b: Number) -> Number:
    n, value = min(a.n, b.n), a.value - b.value
    if n < 2:
        return Number(value, None, float("inf"), n)
    va, vb = (a.std or 0.0) ** 2 / a.n, (b.std or 0.0) ** 2 / b.n
    if va + vb == 0:
        return Number(value, None, 0.0, n)
    freedom = (va + vb) ** 2 / (va**2 / (a.n - 1) + vb**2 / (b.n - 1))
    return Number(value, None, float(student.ppf(0.975, freedom)) * (va + vb) ** 0.5, n)


def negated(key: str) -> Quantity:
    """The row ``FILE: NAME`` with the other sign: a paired difference seen from its reference."""

    def found(rows: Rows) -> Number:
        one = row(key)(rows)
        return Number(-one.value, one.std, one.half, one.n)

    return found


def _half(std: float, n: int) -> float:
    return float(student.ppf(0.975, n - 1)) * std / n**0.5 if n > 1 else float("inf")


def above(quantity: Quantity, bar: float, says: str, *more: Quantity) -> Judgement:
    """``holds`` where the whole interval lies above ``bar``, ``refuted`` where it lies below, else ``open``.

    ``says`` is formatted with the numbers: ``{0:+.1f} points``, ``{1}`` the next of ``more``.
    """
    return _judged(quantity, lambda one: (one.value - one.half > bar, one.value + one.half < bar), says, more)


def below(quantity: Quantity, bar: float, says: str, *more: Quantity) -> Judgement:
    """As :func:`above`, the other way round."""
    return _judged(quantity, lambda one: (one.value + one.half < bar, one.value - one.half > bar), says, more)


def no_worse(quantity: Quantity, margin: float, says: str, *more: Quantity) -> Judgement:
    """``holds`` where the interval of a difference lies above −``margin``, ``holds in part`` where the mean does."""

    def sides(one: Number) -> tuple[bool, bool]:
        return one.value - one.half > -margin, one.value + one.half < -margin

    return _judged(quantity, sides, says, more, between=lambda one: PART if one.value > -margin else OPEN)


def helps(quantity: Quantity, by: float, says: str, *more: Quantity) -> Judgement:
    """A gain: ``holds`` where its interval lies above 0 and its mean at ``by`` or more, ``holds in part`` where only
    the former is so, ``refuted`` where the interval does not lie above 0 and ends below ``by``, else ``open``."""

    def sides(one: Number) -> tuple[bool, bool]:
        return one.value - one.half > 0 and one.value >= by, one.value + one.half < by and one.value - one.half <= 0

    return _judged(quantity, sides, says, more, between=lambda one: PART if one.value - one.half > 0 else OPEN)


def in_part(judgement: Judgement) -> Judgement:
    """The judgement of a part of the claim: it holds in part at most."""

    def judged(rows: Rows) -> tuple[str, str, str]:
        verdict, sentence, seeds = judgement(rows)
        return PART if verdict == HOLDS else verdict, sentence, seeds

    return judged


def bars(quantity: Quantity, holds: float, part: float, says: str, *more: Quantity) -> Judgement:
    """A count or a calculation: ``holds`` from ``holds`` on, ``holds in part`` from ``part`` on, below it ``refuted``.

    With ``holds`` below ``part`` the other way round. Seeds are not asked for.
    """
    sign = 1 if holds >= part else -1

    def judged(rows: Rows) -> tuple[str, str, str]:
        one = quantity(rows)
        verdict = HOLDS if sign * one.value >= sign * holds else PART if sign * one.value >= sign * part else REFUTED
        return verdict, says.format(one, *_numbers(more, rows)), str(one.n) if one.n > 1 else "exact"

    return judged


def reported(says: str, *quantities: Quantity, verdict: str = OPEN) -> Judgement:
    """Numbers that do not decide the claim: ``open``, or ``holds in part`` where they decide a part of it."""

    def judged(rows: Rows) -> tuple[str, str, str]:
        found = [one(rows) for one in quantities]
        known = min(one.n for one in found)
        return (verdict if known >= SEEDS else OPEN), says.format(*found), str(known)

    return judged


def property_of(says: str, verdict: str = HOLDS) -> Judgement:
    """A property that a test decides; the idea's command is that test."""
    return lambda rows: (verdict, says, "exact")


def undone(says: str) -> Judgement:
    """No experiment."""
    return lambda rows: (OPEN, says, "")


def _numbers(quantities: tuple[Quantity, ...], rows: Rows) -> list[Number]:
    """The numbers that a sentence mentions beside the one that decides; one that is missing says so."""
    found = []
    for one in quantities:
        try:
            found.append(one(rows))
        except KeyError:
            found.append(Number(float("nan"), None, float("inf"), 0))
    return found


def _judged(
    quantity: Quantity,
    sides: Callable[[Number], tuple[bool, bool]],
    says: str,
    more: tuple[Quantity, ...],
    between: Callable[[Number], str] = lambda one: OPEN,
) -> Judgement:
    def judged(rows: Rows) -> tuple[str, str, str]:
        one = quantity(rows)
        yes, no = sides(one)
        verdict = OPEN if one.n < SEEDS else HOLDS if yes else REFUTED if no else between(one)
        return verdict, says.format(one, *_numbers(more, rows)), str(one.n)

    return judged
