"""Training a part of a network on the device: layers, single weights, directions, channels, and layers that freeze.

A network pretrained on plain digits learns 3,000 labelled digits over photos in ``int8``
(:mod:`benchmarks.claims._tuning`). Variants of what is trained:

- ``all``; ``norms``; ``classifier``; ``first`` and ``last`` (a convolution with its norm, the last with the
  classifier);
- ``chosen``: the set of layers with the largest Fisher information on four batches whose backward pass takes at most
  half of all layers' products (as in TinyTrain, Kwon et al., ICML 2024, arXiv 2307.09988, with the plain sum);
- ``sparse N``: the N % of all weights whose first gradient is largest, ``random 10``: as many at random;
- ``half of the channels``: in each convolution the half with the smaller factors in its norm is taken out for good;
- ``freezing``: the front freezes layer by layer, after a quarter, a half and three quarters of the steps; in ``freezing
  to 4 bits`` a frozen layer's W and A have 4 bits from then on;
- ``350 directions``: one step in 350 random directions of all 35 k weights (Li et al., ICLR 2018, arXiv 1804.08838);
- ``scratch`` and ``scratch, 350 directions``: the same without pretraining.

The rate is the best of a few on another seed and the validation images, for the variants in :data:`RATES`, which decide
a verdict or train other numbers than weights; the others have that of ``all``. Norms gather statistics in every layer,
trained or not. ``operations``: products of a training step over those of ``all``, mean over the steps.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import _runs
import recipes
import torch
from torch import Tensor, nn
from torch.nn import functional

from lbt.nn import optimizer
from lbt.numerics.spec import RoleSpec
from lbt.train.threads import fixed_threads

from . import _rows
from . import _setting as setting
from . import _tuning as tuning
from ._tuning import LAYERS, MACS, Hook, backward_macs, layer_of, nothing
from .difficulty import task

NUMBER, SEEDS, DIRECTIONS = 15, setting.SEEDS[:3], 350
BOTH, COORDINATES = (0.03, 0.1), (0.1, 0.3, 1.0)
RATES = {
    **dict.fromkeys(("all", "chosen", "sparse 10", "freezing to 4 bits", "half of the channels"), BOTH),
    **dict.fromkeys(("350 directions", "scratch, 350 directions"), COORDINATES),
    "norms": (0.1, 0.5),
    "classifier": (0.1, 0.5),
    "scratch": (0.1,),
}
"""Rates that are tried, by variant; the first variant's for all others."""
Made = tuple[Hook, set[int]]
"""Action before each step, and the layers that are trained."""


def only(*layers: int, norms: bool = True) -> Callable[[nn.Module, int], Made]:
    """Train these layers; with ``norms`` the norms behind them too."""

    def made(model: nn.Module, seed: int) -> Made:
        for name, weight in model.named_parameters():
            weight.requires_grad_(layer_of(name) in layers and (norms or int(name.partition(".")[0]) in layers))
        return nothing, set(layers)

    return made


def norms_only(model: nn.Module, seed: int) -> Made:
    """Train the norms' factors and offsets; no convolution has a weight gradient."""
    for name, weight in model.named_parameters():
        weight.requires_grad_(int(name.partition(".")[0]) not in LAYERS)
    return nothing, set()


def chosen(model: nn.Module, seed: int) -> Made:
    """Train the most informative set of layers within half of the backward products."""
    fisher = dict.fromkeys(LAYERS, 0.0)
    for name, gradient in first_gradients(model).items():
        fisher[layer_of(name)] += float(gradient.square().sum())
    sets = [one for size in range(1, 6) for one in combinations(LAYERS, size)]
    affordable = [one for one in sets if 2 * backward_macs(one) <= backward_macs(LAYERS)]
    return only(*max(affordable, key=lambda one: sum(fisher[layer] for layer in one)))(model, seed)


def sparse(percent: float, random: bool = False) -> Callable[[nn.Module, int], Made]:
    """Train so many of all weights."""

    def made(model: nn.Module, seed: int) -> Made:
        size = first_gradients(model)
        if random:
            draw = torch.Generator().manual_seed(seed)
            size = {name: torch.rand(one.shape, generator=draw) for name, one in size.items()}
        every = torch.cat([one.abs().flatten() for one in size.values()])
        bar = every.kthvalue(int(len(every) * (1 - percent / 100))).values
        masks = {name: (one.abs() > bar).float() for name, one in size.items()}

        def mask(step: int) -> None:
            for name, weight in model.named_parameters():
                weight.grad *= masks[name]

        return mask, set(LAYERS)

    return made


def half_of_the_channels(model: nn.Module, seed: int) -> Made:
    """Take out the half of each convolution's channels that its norm weighs least."""
    gone = []
    for module in model.modules():
        if hasattr(module, "running_mean"):
            order = module.weight.detach().abs().argsort()
            gone.append((module, order[: len(order) // 2]))

    @torch.no_grad()
    def remove(step: int) -> None:
        for norm, channels in gone:
            for part in (norm.weight, norm.bias):
                part[channels] = 0
                if part.grad is not None:
                    part.grad[channels] = 0

    remove(0)
    return remove, set(LAYERS)


def freezing(bits: int | None = None) -> Callable[[nn.Module, int], Made]:
    """Freeze the convolutions from the front, one at each quarter of the steps."""

    def made(model: nn.Module, seed: int) -> Made:
        layers = {int(name): module for name, module in model.named_children() if name.isdigit()}
        last = min(tuning.STEPS, setting.CAP)
        due = {last * (place + 1) // 4: layer for place, layer in enumerate(LAYERS[:3])}

        def freeze(step: int) -> None:
            if step not in due:
                return
            for name, weight in model.named_parameters():
                if layer_of(name) <= due[step]:
                    weight.requires_grad_(False)
                    weight.grad = None
            if bits is not None:
                form = RoleSpec.model_validate(f"int{bits}")
                frozen: Any = layers[due[step]]
                frozen.roles = frozen.roles.model_copy(update={"W": form, "A": form})

        return freeze, set(LAYERS)

    return made


VARIANTS: dict[str, Callable[[nn.Module, int], Made]] = {
    "all": only(*LAYERS),
    "chosen": chosen,
    "sparse 10": sparse(10),
    "freezing to 4 bits": freezing(4),
    "350 directions": only(*LAYERS),
    "half of the channels": half_of_the_channels,
    "freezing": freezing(),
    "last": only(9, 14),
    "norms": norms_only,
    "classifier": only(14, norms=False),
    "first": only(0),
    "sparse 1": sparse(1),
    "random 10": sparse(10, random=True),
    "scratch": only(*LAYERS),
    "scratch, 350 directions": only(*LAYERS),
}


def jobs() -> Iterator[tuple[str, int, Any]]:
    """The pretrained network alone, then every variant, seed by seed."""
    for seed in SEEDS:
        yield "none", seed, functools.partial(untrained, seed)
        for name in VARIANTS:
            yield name, seed, functools.partial(run, name, seed)


@fixed_threads()
def untrained(seed: int) -> dict[str, float]:
    """The pretrained network on the target."""
    return {"accuracy": tuning.tested(tuning.fresh(seed, setting.eight()), seed)}


@fixed_threads()
def run(name: str, seed: int) -> dict[str, float]:
    """One finetuning at the variant's rate."""
    rate = chosen_rate(name if name in RATES else "all")
    found, operations = tuned(name, seed, rate)
    return {"accuracy": found, "operations": operations, "lr": rate}


@functools.cache
def chosen_rate(name: str) -> float:
    """The rate with the best accuracy on the validation images of the seed that no row has."""
    return max(RATES[name], key=lambda rate: tuned(name, tuning.TRIAL_SEED, rate)[0] if len(RATES[name]) > 1 else 0.0)


def tuned(name: str, seed: int, rate: float) -> tuple[float, float]:
    """Accuracy in percent, and the share of the products."""
    start = (lambda seed: recipes.network(seed, 3)) if name.startswith("scratch") else tuning.pretrained
    model = tuning.fresh(seed, setting.eight(), start)
    before, layers = VARIANTS[name](model, seed)
    if name.endswith("directions"):
        update, before, after = directions(model, seed, rate)
    else:
        update, after = optimizer(model, lr=rate), nothing
    tuning.train(model, update, *task().train, seed, before=before, after=after)
    return tuning.tested(model, seed), share(name, layers)


def share(name: str, layers: set[int]) -> float:
    """Products of a training step over those where all layers are trained."""
    whole = sum(MACS.values()) + backward_macs(LAYERS)
    if name.startswith("freezing"):
        steps = [backward_macs(LAYERS[gone:]) for gone in range(4)]
        return (sum(MACS.values()) + sum(steps) / 4) / whole
    if name == "half of the channels":
        kept = {0: 0.5, 14: 0.5}  # half of the outputs, half of the inputs; between them both
        return sum(kept.get(one, 0.25) * MACS[one] * (2 + (one > 0)) for one in LAYERS) / whole
    errors = backward_macs(LAYERS) - sum(MACS.values()) if name == "norms" else backward_macs(layers)
    return (sum(MACS.values()) + errors) / whole


def first_gradients(model: nn.Module) -> dict[str, Tensor]:
    """The gradient of every parameter on the first four batches of 32, which takes no step."""
    images, labels = (part[:128] for part in task().train)
    model.train()
    model.zero_grad()
    for a, b in zip(images.split(32), labels.split(32), strict=True):
        functional.cross_entropy(model(a), b).backward()
    found = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    return found


def directions(model: nn.Module, seed: int, rate: float) -> tuple[torch.optim.Optimizer, Hook, Hook]:
    """SGD on coordinates in random directions of unit length, and how gradients and weights pass to and from them."""
    weights = [one for one in model.parameters() if one.requires_grad]
    origin = torch.cat([one.detach().flatten() for one in weights])
    draw = torch.Generator().manual_seed(seed)
    basis = functional.normalize(torch.randn(DIRECTIONS, len(origin), generator=draw), dim=1)
    place = nn.Parameter(torch.zeros(DIRECTIONS))
    sizes = [one.numel() for one in weights]

    def down(step: int) -> None:
        place.grad = basis @ torch.cat([one.grad.flatten() for one in weights if one.grad is not None])

    @torch.no_grad()
    def up(step: int) -> None:
        for one, values in zip(weights, (origin + place @ basis).split(sizes), strict=True):
            one.copy_(values.view(one.shape))

    return torch.optim.SGD([place], lr=rate, momentum=0.9), down, up


def rows(found: _rows.Found) -> list[_rows.Row]:
    """Accuracy, points against ``all``, share of its gain over the pretrained network, products."""
    made: list[_rows.Row] = []
    for name, seeds in found.items():
        label = f"claim/{NUMBER}/{name}"
        made.append(_runs.row(f"{label}/accuracy", _rows.values(found, name, "accuracy"), "%"))
        made += _rows.paired(f"{label}/minus_all", found, name, "all", "accuracy")
        both = sorted(seeds.keys() & found.get("all", {}).keys() & found.get("none", {}).keys())
        if both and name not in ("none", "all") and not name.startswith("scratch"):
            none, full, mine = ([found[of][seed]["accuracy"] for seed in both] for of in ("none", "all", name))
            shares = [100 * (m - n) / (f - n) for n, f, m in zip(none, full, mine, strict=True)]
            made.append(_runs.row(f"{label}/share_of_gain", shares, "%"))
        if name != "none":
            made.append(_runs.row(f"{label}/operations", _rows.values(found, name, "operations"), "x"))
    return made + _rows.paired(
        f"claim/{NUMBER}/scratch, directions minus all", found, "scratch, 350 directions", "scratch", "accuracy"
    )
