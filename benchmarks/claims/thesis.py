"""The thesis method as written, against ``int8`` and float32, and each of its ingredients left out.

As written (the notes, part 1): layer-wise scale in floating point, stochastic rounding of errors and gradients, both
clipped; batch norm with mean and variance in float, a gradient for its weight and bias alone, and fixed parameters that
go on accumulating; statistics apart per domain and per network. This is the recipe ``thesis-as-written``.

Norms that take their statistics as constants need a learning rate of their own. It is found without target labels: the
largest of :data:`RATES` under which a trial of :data:`TRIAL` steps, on a seed that no row has, unlearns the source no
more than ``float_bn`` does at the default rate, by the mean source loss of its second half.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import _runs
import torch

from lbt.config import find_yaml, read_yaml
from lbt.errors import LbtError
from lbt.recipe import Recipe
from lbt.train.threads import fixed_threads

from . import _rows
from . import _setting as setting

RATES, REFERENCE, TRIAL, TRIAL_SEED = (0.02, 0.0063, 0.002, 0.00063), "float_bn", 40, 4
PAIRS = ("optdigits-mnist", "mnist-optdigits")
WRITTEN = "thesis-as-written"


def written(**changed: Any) -> dict[str, Any]:
    """The recipe ``thesis-as-written`` as a dictionary, with some keys changed."""
    return {**read_yaml(find_yaml("recipes", WRITTEN)), **changed}


def backward(scale: str = "", clipped: bool = True, rounding: str = "stochastic") -> dict[str, Any]:
    """E and G of the method, with another scale, without clipping, or with another rounding."""
    error: dict[str, Any] = {"format": f"int8{scale}", "rounding": rounding}
    gradient = dict(error)
    if clipped:
        error["range"] = {"rule": "sigma", "k": 8, "of": "nonzero"}
        gradient["range"] = {"rule": "sigma", "k": 8}
    return {"E": error, "G": gradient}


def norm(name: str, **options: Any) -> dict[str, Any]:
    """A batch norm with an input of 8 bits, as the method has."""
    return {"norm": {"name": name, "input": "int8", "options": options}}


VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "fp32": ({}, {}),
    "int8": (setting.eight(), {}),
    "written": (written(), {}),
    "without both rules of the norm": (written(**norm("float_bn")), {}),
    "without clipping": (written(**backward(clipped=False), update={}), {}),
    "renormalised": (written(**norm("renorm_bn")), {}),
    "without stochastic rounding": (written(**backward(rounding="nearest")), {}),
    "without a float scale": (written(**backward("-pow2"), W="int8-pow2", A="int8-pow2"), {}),
    "without separate statistics": (written(), {"statistics": "shared"}),
    "without fixed statistics": (written(**norm("affine_grad_bn")), {}),
    "seldom": (written(**norm("seldom_bn")), {}),
    "seldom, every 32": (written(**norm("seldom_bn", every=32)), {}),
    "seldom, every 2": (written(**norm("seldom_bn", every=2)), {}),
    "int8, one set for all": (setting.eight(), {"statistics": "shared"}),
    "int8, one set a domain": (setting.eight(), {"statistics": "domain"}),
}
"""Variant → (recipe, other params of the job)."""
COMPARED = (
    ("without fixed statistics", "without both rules of the norm"),
    ("int8", "int8, one set for all"),
    ("int8", "int8, one set a domain"),
)
"""Further pairs of variants whose difference is a row."""
FIRST = ("int8", "int8, one set for all", "int8, one set a domain", "without both rules of the norm",
         "without fixed statistics", "written", "seldom", "without separate statistics", "renormalised")  # fmt: skip
"""Variants that decide a verdict, which run first."""


def jobs() -> Iterator[tuple[str, int, Any]]:
    """On the first pair the telling variants, seed by seed, then the others; then the second pair."""
    others = [name for name in VARIANTS if name not in FIRST]
    for pair, names in ((PAIRS[0], FIRST), (PAIRS[0], others), (PAIRS[1], list(VARIANTS)[:3])):
        for seed in setting.SEEDS:
            for name in names:
                yield f"{pair}/{name}", seed, functools.partial(run, name, pair, seed)


def run(name: str, pair: str, seed: int) -> dict[str, float]:
    """One adaptation."""
    recipe, others = VARIANTS[name]
    rate = chosen_rate(Recipe.model_validate(recipe).norm.name)
    found = setting.adapted(recipe, seed, pair, lr=rate, **others)
    return {**{key: found[key] for key in ("target", "source", "diverged")}, "lr": rate}


@functools.cache
def chosen_rate(norm_name: str) -> float:
    """The rate for this norm, see the module; the smallest where none is gentle enough."""
    accepted = trial(REFERENCE, RATES[0])
    return next((rate for rate in RATES[:-1] if trial(norm_name, rate) <= accepted), RATES[-1])


@functools.cache
@fixed_threads()
def trial(norm_name: str, rate: float) -> float:
    """Mean loss on the source in the second half of a trial in ``int8``; infinite if it blew up."""
    method = setting.method(setting.eight(norm=norm_name), PAIRS[0], TRIAL_SEED, lr=rate, steps=TRIAL)
    losses = []
    try:
        for step in range(TRIAL):
            losses.append(float(torch.as_tensor(method.advance(step)["source_loss"]).detach()))
    except LbtError:
        return math.inf
    mean = sum(losses[TRIAL // 2 :]) / (TRIAL - TRIAL // 2)
    return mean if math.isfinite(mean) else math.inf


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Accuracies, points against float32, ``int8`` and the method as written, and the rates."""
    made: list[_rows.Row] = []
    for name in found:
        pair = name.partition("/")[0]
        for metric, unit in (("target", "%"), ("source", "%"), ("lr", "1"), ("diverged", "runs")):
            label = f"claim/1/{name}/{metric}" + "_accuracy" * (unit == "%")
            made.append(_runs.row(label, _rows.values(found, name, metric), unit))
        for label, other in (("fp32", "fp32"), ("int8", "int8"), ("written", "written")):
            made += _rows.paired(f"claim/1/{name}/minus_{label}", found, name, f"{pair}/{other}", "target")
    for one, other in COMPARED:
        name, reference = (f"{PAIRS[0]}/{variant}" for variant in (one, other))
        made += _rows.paired(f"claim/1/{name} minus {other}", found, name, reference, "target")
    return made
