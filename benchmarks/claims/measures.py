"""Which measure of quantization error predicts the loss of accuracy.

For every recipe and ablation that benchmarks/recipes.py trained on ``blended`` (norms apart, whose difficulty is no
quantization error), the gradient of :data:`BATCHES` batches in a network after half of a training in float32, with
:data:`DRAWS` draws of the stochastic rounding each: ``noise`` = length of the difference to the float32 gradient,
``bias`` = length of the mean difference over the draws, ``deviation`` = root mean square distance of the draws from
their mean, all as shares of the float32 gradient; ``cosine`` = 1 - cosine of a draw with it; ``sqnr/lowest`` and
``sqnr/mean`` = the lowest and the mean signal to noise ratio in dB of all tensors that lbt.explain describes.
``below sqrt3`` = 1 where the gradient is shorter than sqrt(3) times its quantization noise, at which training is said
to stop improving (Chmiel et al. 2025, arXiv 2505.19115).

Rows: Spearman's rank correlation of each measure with the points lost against float32 (docs/results/recipes.json), over
the recipes that have most seeds; ``recipes`` says how many.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _runs
import numpy as np
import recipes
import torch
from scipy.stats import spearmanr

import lbt
from lbt.nn import quantize
from lbt.recipe import Recipe
from lbt.train.threads import fixed_threads

from . import _rows
from . import _setting as setting
from .difficulty import task
from .rounding import gradient, warm

BATCHES, DRAWS, NUMBER = 1, 4, 3
SEEDS = setting.SEEDS[:3]
LOST = Path(__file__).parents[2] / "docs" / "results" / "recipes.json"
MEASURES = ("noise", "bias", "deviation", "cosine", "sqnr/lowest", "sqnr/mean")


def candidates() -> dict[str, Recipe]:
    """Recipes and ablations by their label in docs/results/recipes.json."""
    shipped = {name: Recipe.load(name) for name in Recipe.names()}
    changed = {f"ablation/{name}": one for name, one in recipes.ablations().items() if not name.startswith("norm/")}
    known = {name: one for name, one in (shipped | changed).items() if not one.is_float}
    return {name: one for name, one in known.items() if one.norm.name in ("float_bn", "range_bn", "integer_bn")}


def jobs() -> Iterator[tuple[str, int, Any]]:
    """Every recipe with all its seeds, first those whose losses differ most: the ablations."""
    for name, recipe in sorted(candidates().items(), key=lambda one: not one[0].startswith("ablation/")):
        for seed in SEEDS:
            yield name, seed, functools.partial(run, recipe, seed)


@fixed_threads()
def run(recipe: Recipe, seed: int) -> dict[str, float]:
    """The measures of one recipe."""
    noise, bias, deviation, cosine = [], [], [], []
    low, full = quantize(warm(seed), recipe, seed=seed), quantize(warm(seed), "fp32", seed=seed)
    for batch in range(BATCHES):
        exact = gradient(full, 0, 64 * batch)
        draws = torch.stack([gradient(low, step, 64 * batch) for step in range(DRAWS)])
        scale, centre = float(exact.norm()), draws.mean(0)
        noise.append(float((draws - exact).norm(dim=1).square().mean().sqrt()) / scale)
        bias.append(float((centre - exact).norm()) / scale)
        deviation.append(float((draws - centre).norm(dim=1).square().mean().sqrt()) / scale)
        cosine.append(1 - float(torch.nn.functional.cosine_similarity(draws, exact[None]).mean()))
    x, y = (part[:64] for part in task().train)
    ratios = [row for row in lbt.explain(low, (x, y)).column("sqnr").to_pylist() if row is not None]
    return {
        "noise": float(np.mean(noise)),
        "bias": float(np.mean(bias)),
        "deviation": float(np.mean(deviation)),
        "cosine": float(np.mean(cosine)),
        "sqnr/lowest": float(min(ratios)),
        "sqnr/mean": float(np.mean(ratios)),
        "below sqrt3": float(np.mean(noise) * 3**0.5 > 1),
    }


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Rank correlations over the recipes, per seed; the loss on both sides of the threshold of the root of three."""
    known = {row["name"]: row["value"] for row in json.loads(LOST.read_text(encoding="utf-8"))}
    lost = {name: -known[key] for name in found if (key := f"blended/{name}/minus_fp32") in known}
    most = max((len(found[name]) for name in lost), default=0)
    lost = {name: points for name, points in lost.items() if len(found[name]) == most}
    if len(lost) < 3:
        return []
    seeds = sorted(set.intersection(*(set(found[name]) for name in lost)))
    made = []
    for measure in MEASURES:
        sign = -1 if measure.startswith("sqnr") else 1
        taken = [[sign * found[name][seed][measure] for name in lost] for seed in seeds]
        correlations = [float(spearmanr(one, list(lost.values())).statistic) for one in taken]
        made.append(_runs.row(f"claim/{NUMBER}/{measure}/rank_correlation", correlations, "1"))
    for side, below in (("below", 1.0), ("above", 0.0)):
        sides = {name: np.mean([found[name][seed]["below sqrt3"] for seed in seeds]) for name in lost}
        points = [lost[name] for name, value in sides.items() if round(value) == below]
        if points:
            made.append(_runs.row(f"claim/{NUMBER}/{side} sqrt3/points_lost", points, "points"))
    return [{**row, "recipes": len(lost)} for row in made]
