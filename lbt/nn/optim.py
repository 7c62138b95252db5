"""Optimizers whose state and master weights are low-bit (role U)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lbt.errors import LbtError, unknown
from lbt.nn.context import Context, context_of
from lbt.numerics.formats import Int
from lbt.numerics.quantize import fake_quantize
from lbt.numerics.recipe import Recipe
from lbt.numerics.rounding import Key, round_to_integer


def optimizer(
    model: nn.Module,
    recipe: str | Recipe | None = None,
    *,
    name: str = "sgd",
    lr: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """SGD with momentum or Adam for the parameters of ``model`` that require gradients, with U of the recipe applied.

    Args:
        model: model, converted or not.
        recipe: by default the one that the model was converted with.
        name: ``sgd`` or ``adam``.
        lr: learning rate.
        momentum: SGD's momentum; Adam's β1.
        weight_decay: L2 penalty (as PyTorch's).

    Returns:
        A ``torch.optim.Optimizer``; the plain one when the recipe has neither U nor a gradient clip.

    Raises:
        LbtError: unknown optimizer or recipe.
    """
    bases: dict[str, Callable[..., Any]] = {"sgd": LowBitSGD, "adam": LowBitAdam}
    if name not in bases:
        raise unknown("optimizer", name, bases)
    try:
        context: Context | None = context_of(model)
    except LbtError:
        context = None
    if recipe is None:
        chosen = context.recipe if context else Recipe()
    else:
        chosen = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    if not named:
        raise LbtError(f"{type(model).__name__} has no parameter that requires a gradient")
    options = {"momentum": momentum} if name == "sgd" else {"betas": (momentum, 0.999)}
    parameters = [p for _, p in named]
    if chosen.U is None and chosen.update.clip_norm is None:
        plain: dict[str, Callable[..., Any]] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
        return plain[name](parameters, lr=lr, weight_decay=weight_decay, **options)  # type: ignore[no-any-return]
    new = bases[name](parameters, lr=lr, weight_decay=weight_decay, **options)
    new.prepare([n for n, _ in named], chosen, context)
    return new  # type: ignore[no-any-return]


class _LowBit(torch.optim.Optimizer):
    """Mixin: after the ordinary step in float, state and master weights are rounded to what the device stores."""

    names: list[str]
    recipe: Recipe
    context: Context | None

    def prepare(self, names: list[str], recipe: Recipe, context: Context | None) -> None:
        """Bind to a recipe; put integer master weights on their grids."""
        self.names, self.recipe, self.context = names, recipe, context
        group = self.param_groups[0]
        group["lbt_step"] = 0
        if recipe.update.master == "integer":
            # kept in the group, so that a state dict carries them: the grid is fixed for the whole run
            group["lbt_grids"] = [_grid(p, recipe) for p in group["params"]]
            self._round_weights(0)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        group = self.param_groups[0]
        if self.recipe.update.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(group["params"], self.recipe.update.clip_norm)
        loss = super().step(closure)
        group["lbt_step"] += 1
        step = self.context.step if self.context else group["lbt_step"]
        if self.recipe.U is not None:
            for name, p in zip(self.names, group["params"], strict=True):
                self._round_state(self.state.get(p, {}), name, step)
        if "lbt_grids" in group:
            self._round_weights(step)
        return loss

    def _key(self, name: str, role: str, step: int) -> Key:
        return Key(self.context.seed if self.context else 0, step, name, role)

    def _round_state(self, state: dict[str, Any], name: str, step: int) -> None:
        spec = self.recipe.U
        assert spec is not None
        for entry in ("momentum_buffer", "exp_avg"):
            if isinstance(state.get(entry), Tensor):
                state[entry].copy_(fake_quantize(state[entry], spec, self._key(name, "U", step)))
        second = state.get("exp_avg_sq")
        if isinstance(second, Tensor):
            # its root is what Adam divides by: stored as the root, rounded up, so that a small one never becomes zero
            root = second.sqrt()
            scale = spec.format.scale_for(root.amax())
            second.copy_(((root / scale).ceil() * scale).square() if isinstance(spec.format, Int) else
                         fake_quantize(root, spec, self._key(name, "U2", step)).square())  # fmt: skip

    def _round_weights(self, step: int) -> None:
        group = self.param_groups[0]
        bound = 2 ** (self.recipe.update.bits - 1) - 1
        rounding = self.recipe.U.rounding if self.recipe.U else "nearest"
        for name, p, grid in zip(self.names, group["params"], group["lbt_grids"], strict=True):
            codes = round_to_integer(p.detach() / grid, rounding, self._key(name, "master", step))
            p.data.copy_(codes.clamp_(-bound, bound).mul_(grid))


def _grid(p: Tensor, recipe: Recipe) -> float:
    """The power-of-two step of a tensor's integer master weights."""
    reach = p.detach().abs().amax().clamp_min(2.0**-6) * recipe.update.headroom
    return float(Int(bits=recipe.update.bits, scale="pow2").scale_for(reach))


class LowBitSGD(_LowBit, torch.optim.SGD):
    """SGD with a quantized momentum buffer, and integer master weights where the recipe says so."""


class LowBitAdam(_LowBit, torch.optim.Adam):
    """Adam with quantized moments, and integer master weights where the recipe says so."""
