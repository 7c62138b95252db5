"""Formats of each layer's W, A and E under the limits: an integer program over sensitivity and energy.

A layer's sensitivity to a format is the noise over the signal of the tensors that are written in it, as
:func:`lbt.explain` measures them in one training step: noise of W and A counts as it is; that of E is random from image
to image and averages over the batch, so that it is divided by the batch size. With one variable for each layer and
combination of formats, the sum of sensitivities is minimised while the sum of energies meets the limit (SciPy's HiGHS).
Norms and pools between the layers are priced in the widest formats of the mixture, so that there is one program for
each combination that may be the widest. The true price is checked afterwards, and the budget tightened until it is met.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from torch import Tensor, nn

from lbt.error_analysis.explain import explain
from lbt.hardware.trace import Graph, trace
from lbt.nas.choose.limits import Limits
from lbt.nas.choose.price import Price, Shop
from lbt.nas.spaces.bits import BitsSpace
from lbt.recipe import Recipe

TIGHTER, TRIES = 0.97, 60
"""Factor of the budget from one attempt to the next, and the most attempts."""


@dataclass(frozen=True)
class Mixture:
    """A recipe with formats by layer.

    Attributes:
        recipe: as ``recipe.yaml`` holds it.
        price: of the network in it.
        noise: the program's objective: the sum of noise over signal.
    """

    recipe: Recipe
    price: Price
    noise: float


def choose_bits(network: nn.Module, batch: tuple[Tensor, Tensor], shop: Shop, limits: Limits) -> Mixture | None:
    """The mixture with the least noise that meets ``limits``; None if none was found.

    Args:
        network: trained, float.
        batch: images (N, C, H, W) and labels (N,) of one training step.
        shop: prices on the board.
        limits: of energy and memory.
    """
    graph = trace(network, shop.image)
    space = BitsSpace.of(network, shop.image)
    lines = [list(line) for line in product(*(range(len(space.formats[role])) for role in space.roles))]
    noise = sensitivities(network, batch, space, lines)
    rest, energy = energies(graph, space, lines, shop)
    best: Mixture | None = None
    for widest, fixed in zip(lines, rest, strict=True):
        allowed = [n for n, line in enumerate(lines) if all(a >= b for a, b in zip(line, widest, strict=True))]
        if best is not None and noise[:, allowed].min(1).sum() >= best.noise:
            continue  # no budget makes it better
        found = _within(
            graph, space, [lines[n] for n in allowed], noise[:, allowed], energy[:, allowed], fixed, shop, limits
        )
        best = min((one for one in (best, found) if one is not None), key=lambda one: one.noise, default=None)
    return best


def _within(
    graph: Graph, space: BitsSpace, lines: Sequence[Sequence[int]], noise: np.ndarray, energy: np.ndarray, fixed: float,
    shop: Shop, limits: Limits,
) -> Mixture | None:  # fmt: skip
    """The mixture of ``lines`` with the least noise whose true price meets the limits; None if there is none."""
    budget, layers = limits.energy - fixed, np.arange(len(noise))
    for _ in range(TRIES):
        picked = solve(noise, energy, budget)
        if picked is None:
            return None
        recipe = space.recipe(np.concatenate([lines[n] for n in picked]))
        price = shop.price(graph, recipe)
        if limits.excess(price) <= 0:
            return Mixture(recipe, price, float(noise[layers, picked].sum()))
        budget = TIGHTER * min(budget, float(energy[layers, picked].sum()))
    return None


def sensitivities(
    network: nn.Module, batch: tuple[Tensor, Tensor], space: BitsSpace, lines: Sequence[Sequence[int]]
) -> np.ndarray:
    """Noise over signal of each layer in each combination of formats, float64 (layers, combinations)."""
    measured: dict[tuple[str, str, str], float] = defaultdict(float)
    for recipe in space.recipes:
        for row in explain(network, batch, recipe=recipe).to_pylist():
            ratio = 0.0 if row["sqnr"] is None else 10 ** (-row["sqnr"] / 10)
            measured[recipe.name, row["layer"], row["role"]] = ratio
    weights = {"E": 1 / len(batch[1])}
    found = np.zeros((len(space.layers), len(lines)))
    for m, layer in enumerate(space.layers):
        for n, line in enumerate(lines):
            for role, index in zip(space.roles, line, strict=True):
                name = first_recipe(space, role, index)
                found[m, n] += weights.get(role, 1.0) * measured[name, layer, role]
    return found


def first_recipe(space: BitsSpace, role: str, index: int) -> str:
    """Name of the first recipe that has the format ``index`` of ``role``."""
    wanted = space.formats[role][index]
    return next(one.name for one in space.recipes if space.of_role(one, role) == wanted)


def energies(
    graph: Graph, space: BitsSpace, lines: Sequence[Sequence[int]], shop: Shop
) -> tuple[list[float], np.ndarray]:
    """Joules of a trained image by combination: of what is no layer; of each layer, (layers, combinations)."""
    rest, table = [], np.zeros((len(space.layers), len(lines)))
    for n, line in enumerate(lines):
        cost = shop.cost(graph, space.recipe(np.array(list(line) * len(space.layers))))
        by_layer: dict[str, float] = defaultdict(float)
        for row in cost.rows:
            by_layer[row.work.layer] += row.energy / shop.batch
        table[:, n] = [by_layer.pop(layer, 0.0) for layer in space.layers]
        rest.append(sum(by_layer.values()))
    return rest, table


def solve(noise: np.ndarray, energy: np.ndarray, budget: float) -> np.ndarray | None:
    """The combination of each layer, int64 (L,), with the least sum of ``noise``; None if ``budget`` is too small.

    Args:
        noise, energy: float64 (L, C).
        budget: most that the energies may add up to; infinity: no limit.
    """
    layers, count = noise.shape
    if math.isinf(budget):
        return np.asarray(noise.argmin(1))
    one_each = LinearConstraint(np.kron(np.eye(layers), np.ones(count)), 1, 1)
    unit = max(float(energy.max()), 1e-30)
    within = LinearConstraint(energy.reshape(1, -1) / unit, -np.inf, budget / unit)
    found = milp(noise.ravel(), integrality=np.ones(noise.size), bounds=Bounds(0, 1), constraints=[one_each, within])
    return None if found.x is None else np.asarray(found.x.reshape(layers, count).argmax(1))
