"""Where the difficulty sits: W and A, then E, G, U, then everything, in 8 and in 4 bits.

The task ``blended`` of benchmarks/recipes.py, trained from scratch for :data:`STEPS` steps, all layers alike (no first
or last layer is spared). Each step of the ladder quantizes one thing more; one float scale a tensor, E and G rounded
stochastically. ``U`` is the momentum; ``everything`` has integer master weights and the fixed-point batch norm too.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import _runs
import recipes

from lbt.errors import LbtError
from lbt.recipe import Recipe
from lbt.train.threads import fixed_threads

from . import _rows
from . import _setting as setting

STEPS, SEEDS, BITS = 300, setting.SEEDS[:3], (8, 4)
MORE = tuple(range(8, 15))
"""Further seeds of the rungs that decide a verdict: W and A, E and G on top of them, everything."""
LADDER = ("W, A", "W, A, E", "W, A, E, G", "W, A, E, G, U", "everything")
NORMS = {"float norm": "float_bn", "integer norm": "integer_bn"}
"""All of W, A, E and G in 8 bits, and what the norm reads; a norm in float, and one in fixed point."""
NUMBER = 2


def recipe(rung: str, bits: int) -> dict[str, Any]:
    """The recipe of a rung of the ladder."""
    stochastic = {"format": f"int{bits}", **setting.STOCHASTIC}
    made: dict[str, Any] = {"W": f"int{bits}", "A": f"int{bits}"}
    made |= {role: stochastic for role in ("E", "G") if LADDER.index(rung) >= 1 + "EG".index(role)}
    if LADDER.index(rung) >= LADDER.index("W, A, E, G, U"):
        made["U"] = {"format": f"int{bits}-pow2", **setting.STOCHASTIC}
    if rung == "everything":
        made |= {"update": {"master": "integer", "bits": bits}, "norm": {"name": "integer_bn", "input": f"int{bits}"}}
    return made


def jobs() -> Iterator[tuple[str, int, Any]]:
    """Float32 and every rung in both widths, seed by seed."""
    for seed in SEEDS:
        yield "fp32", seed, functools.partial(run, {}, seed)
        for bits in BITS:
            for rung in LADDER:
                yield f"{bits} bits/{rung}", seed, functools.partial(run, recipe(rung, bits), seed)
    for seed in MORE:
        yield "fp32", seed, functools.partial(run, {}, seed)
        for bits, rung in ((4, "W, A"), (4, "W, A, E, G"), (8, "everything")):
            yield f"{bits} bits/{rung}", seed, functools.partial(run, recipe(rung, bits), seed)
    for seed in (*SEEDS, *MORE):
        for name, norm in NORMS.items():
            content = setting.eight(norm={"name": norm, "input": "int8"})
            yield f"8 bits/{name}", seed, functools.partial(run, content, seed)


@functools.cache
def task() -> recipes.Task:
    """The images."""
    return recipes.Task(recipes.TASKS["blended"])


@fixed_threads()
def run(content: dict[str, Any], seed: int) -> dict[str, float]:
    """Train and test; 0 if an error or a gradient was not finite."""
    try:
        found = recipes.accuracy(Recipe.model_validate(content), task(), seed, min(STEPS, setting.CAP))
    except LbtError:
        found = 0.0
    return {"accuracy": found}


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Accuracy of each rung, points against float32 of the same seed, and what a rung costs beside the one before."""
    made: list[_rows.Row] = []
    for name in found:
        made.append(_runs.row(f"claim/{NUMBER}/{name}/accuracy", _rows.values(found, name, "accuracy"), "%"))
    for bits in BITS:
        before = "fp32"
        for rung in LADDER:
            name = f"{bits} bits/{rung}"
            made += _rows.paired(f"claim/{NUMBER}/{name}/minus_fp32", found, name, "fp32", "accuracy")
            made += _rows.paired(f"claim/{NUMBER}/{name}/minus_rung_before", found, name, before, "accuracy")
            before = name
        made += backward_against_forward(found, bits)
    float_norm, integer_norm = (f"8 bits/{name}" for name in NORMS)
    label = f"claim/{NUMBER}/8 bits/float norm minus integer norm"
    return made + _rows.paired(label, found, float_norm, integer_norm, "accuracy")


def backward_against_forward(found: _rows.Found, bits: int) -> list[_rows.Row]:
    """Change by E and G on top of W and A, minus that by W and A: below 0 where gradients are the harder ones."""
    jobs = [found.get(name, {}) for name in ("fp32", f"{bits} bits/W, A", f"{bits} bits/W, A, E, G")]
    seeds = sorted(set.intersection(*(set(job) for job in jobs)))
    full, forward, both = ([job[seed]["accuracy"] for seed in seeds] for job in jobs)
    changes = [b + f - 2 * w for b, f, w in zip(both, full, forward, strict=True)]
    name = f"claim/{NUMBER}/{bits} bits/E, G minus W, A"
    return [_runs.paired(name, changes)] if changes else []
