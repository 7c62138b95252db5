"""Making the optimizer of a converted model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lbt.errors import LbtError, unknown
from lbt.nn.context import Context, contexts_in, contexts_of
from lbt.nn.optim import plain
from lbt.nn.optim.low_bit import LowBitAdam, LowBitAdamW, LowBitSGD
from lbt.nn.optim.place import places
from lbt.recipe import Recipe

_CLASSES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "sgd": (plain.SGD, LowBitSGD),
    "adam": (plain.Adam, LowBitAdam),
    "adamw": (plain.AdamW, LowBitAdamW),
}
_ALIKE = {
    "rmsprop": " (the nearest is 'adam' with momentum=0)",
    "adagrad": " (the nearest is 'adam' with momentum=0)",
    "lion": " (the nearest is 'adamw')",
    "lamb": " (the nearest is 'adamw')",
}
"""Optimizers that lbt does not have and no spelling leads from: the one that computes the most alike."""


def optimizer(
    model: nn.Module,
    recipe: str | Recipe | None = None,
    *,
    name: str = "sgd",
    lr: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    betas: tuple[float, float] | None = None,
    eps: float | None = None,
    nesterov: bool = False,
    fused: bool | None = None,
    groups: Sequence[Mapping[str, Any]] = (),
) -> torch.optim.Optimizer:
    """SGD, Adam or AdamW for the parameters of ``model`` that require gradients, with U of the recipe applied.

    Each of its steps counts as one of the converted models in ``model`` (see :func:`lbt.nn.set_step`).

    Args:
        model: a converted model, a part of one, or a model with converted ones inside; with ``recipe`` any model.
        recipe: for all parameters; by default each parameter follows the recipe that its model was converted with, and
            one outside of every converted model is updated in float.
        name: ``sgd``, ``adam`` or ``adamw``.
        lr: learning rate.
        momentum: SGD's momentum; Adam's β1 where ``betas`` is not given.
        weight_decay: L2 penalty (as PyTorch's); decoupled for ``adamw``.
        betas: Adam's β1 and β2 (``(momentum, 0.999)``).
        eps: Adam's ε (PyTorch's default).
        nesterov: SGD's Nesterov momentum.
        fused: True for PyTorch's fused kernel. On a CPU its roots are rounded correctly on every processor
            (:mod:`lbt.numerics.root`).
        groups: parameter groups as PyTorch's: mappings with ``params`` (parameters, or modules for all of theirs) and
            options of their own, such as ``lr``. Parameters in none of them come first, in a group with the options
            above.

    Returns:
        A ``torch.optim.Optimizer``; the plain one when no recipe says anything about the update.

    Raises:
        LbtError: unknown optimizer or recipe, an option of the other optimizer, a group with a parameter of another
            model or of two groups, no parameter, or neither a recipe nor anything converted in ``model``.
    """
    if not isinstance(name, str) or name not in _CLASSES:
        alike = next((text for word, text in _ALIKE.items() if str(name).lower() == word), "")
        raise LbtError(f"{unknown('optimizer', name, _CLASSES)}{alike}")
    chosen = recipe if recipe is None or isinstance(recipe, Recipe) else Recipe.load(recipe)
    found = places(model, chosen)
    if not found:
        raise LbtError(f"{type(model).__name__} has no parameter that requires a gradient")
    contexts = contexts_in(model) if chosen is not None else contexts_of(model, "optimizer")
    options: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay}
    if name == "sgd":
        _refuse(name, betas=betas, eps=eps)
        options |= {"momentum": momentum, "nesterov": nesterov}
    else:
        _refuse(name, nesterov=nesterov or None)
        options |= {"betas": betas or (momentum, 0.999)} | ({} if eps is None else {"eps": eps})
    if fused is not None:
        options["fused"] = fused
    split = _groups(found, groups)
    in_float, low_bit = _CLASSES[name]
    if all(place.plain for place in found.values()):
        made = in_float(split, **options)
        made.register_step_post_hook(_Count(contexts))
    else:
        made = low_bit(split, **options)
        made.prepare(found, contexts)
    made.register_load_state_dict_post_hook(_lay_out)
    return made  # type: ignore[no-any-return]


def _lay_out(made: torch.optim.Optimizer) -> None:
    """Give restored state the strides of its parameters, which fresh state has: fused kernels walk both in memory."""
    for p, held in made.state.items():
        for name, value in held.items():
            if isinstance(value, Tensor) and value.shape == p.shape:
                held[name] = torch.empty_like(p, dtype=value.dtype).copy_(value)


class _Count:
    """A hook of a plain optimizer: its steps advance the converted models."""

    def __init__(self, contexts: list[Context]) -> None:
        self.contexts, self.told = contexts, [-1] * len(contexts)

    def __call__(self, *_: Any) -> None:
        for context, told in zip(self.contexts, self.told, strict=True):
            context.advance(told == context.told)
        self.told = [context.told for context in self.contexts]


def _refuse(name: str, **options: Any) -> None:
    for option, value in options.items():
        if value is not None:
            raise LbtError(f"optimizer: {option}: found {value!r}, but {name} has no such option")


def _groups(found: Iterable[nn.Parameter], groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """PyTorch's parameter groups: first the parameters that no group names."""
    known, taken, result = list(found), set[nn.Parameter](), []
    for index, group in enumerate(groups):
        given = group.get("params", ())
        each = [given] if isinstance(given, (nn.Parameter, nn.Module)) else list(given)
        own = [p for one in each for p in (one.parameters() if isinstance(one, nn.Module) else [one])]
        own = [p for p in own if p.requires_grad]
        if not own:
            raise LbtError(f"optimizer: groups[{index}] has no parameter that requires a gradient")
        if not set(own) <= set(known):
            raise LbtError(f"optimizer: groups[{index}] has a parameter that is not one of the model's")
        if taken & set(own):
            raise LbtError(f"optimizer: groups[{index}] has a parameter that is in a group before it")
        taken.update(own)
        result.append({**group, "params": own})
    rest = [p for p in known if p not in taken]
    return [{"params": rest}, *result] if rest else result
