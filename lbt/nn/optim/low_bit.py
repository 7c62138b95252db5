"""Optimizers whose state and master weights are low-bit (role U)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lbt.distributed import smallest
from lbt.errors import LbtError, unknown
from lbt.kernels.quantize import fake_quantize
from lbt.nn.context import Context, find_context, unwrapped
from lbt.nn.optim.scaling import LossScaling
from lbt.numerics.formats.int import Int
from lbt.numerics.ranges.cosine import learning_rate_factor
from lbt.numerics.root import square_root
from lbt.numerics.rounding import Key, round_to_integer
from lbt.recipe import Recipe


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
        A ``torch.optim.Optimizer``; the plain one when the recipe says nothing about the update.

    Raises:
        LbtError: unknown optimizer or recipe.
    """
    bases: dict[str, Callable[..., Any]] = {"sgd": LowBitSGD, "adam": LowBitAdam}
    if name not in bases:
        raise unknown("optimizer", name, bases)
    context = find_context(model)
    if recipe is None:
        chosen = context.recipe if context else Recipe()
    else:
        chosen = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    named = [(n, p) for n, p in unwrapped(model).named_parameters() if p.requires_grad]
    if not named:
        raise LbtError(f"{type(model).__name__} has no parameter that requires a gradient")
    options = {"momentum": momentum} if name == "sgd" else {"betas": (momentum, 0.999)}
    parameters = [p for _, p in named]
    update = chosen.update
    if chosen.U is None and update.clip_norm is None and update.loss_scale is None and update.counteract is None:
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
    scaling: LossScaling | None = None

    def prepare(self, names: list[str], recipe: Recipe, context: Context | None) -> None:
        """Bind to a recipe; put integer master weights on their grids."""
        self.names, self.recipe, self.context = names, recipe, context
        group = self.param_groups[0]
        group["lbt_step"] = 0
        update = recipe.update
        if context is None and (update.loss_scale is not None or update.counteract is not None):
            raise LbtError(
                "optimizer: update.loss_scale and update.counteract need a model that lbt.quantize converted"
            )
        if context is not None and update.loss_scale is not None:
            self.scaling = LossScaling(update.loss_scale, context)
            self.scaling.attach(group)
        if recipe.update.master == "integer":
            # kept in the group, so that a state dict carries them: the grid is fixed for the whole run
            group["lbt_grids"] = [_grid(p, recipe) for p in group["params"]]
            self._round_weights(0)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        group, loss = self.param_groups[0], None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if self.scaling is not None and not self.scaling.unscale(group["params"]):
            return loss
        if self.recipe.update.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(group["params"], self.recipe.update.clip_norm)
        factors = self._factors()
        before = {name: p.clone() for name, p in self._named() if factors.get(name, 1.0) < 1}
        super().step()
        for name, p in self._named():
            if name in before:  # exactly what a smaller learning rate for this layer would have done
                p.copy_(before[name].lerp_(p, factors[name]))
        group["lbt_step"] += 1
        step = self.context.step if self.context else group["lbt_step"]
        if self.recipe.U is not None:
            for name, p in self._named():
                self._round_state(self.state.get(p, {}), name, step)
        if "lbt_grids" in group:
            self._round_weights(step)
        return loss

    @property
    def skipped(self) -> int:
        """Steps left out because of an overflow (recipes with ``update.loss_scale``)."""
        return self.scaling.skipped if self.scaling else 0

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        if self.scaling is not None:
            self.scaling.attach(self.param_groups[0])

    def _named(self) -> Iterator[tuple[str, Tensor]]:
        return zip(self.names, self.param_groups[0]["params"], strict=True)

    def _factors(self) -> dict[str, float]:
        """The learning-rate factor of each parameter whose layer has noted a deviation; the same in all processes."""
        rule = self.recipe.update.counteract
        if rule is None or self.context is None:
            return {}
        found = self.context.deviations
        layers = [name.rpartition(".")[0] for name in self.names]
        factors = [learning_rate_factor(found.get(layer, 0.0), rule.alpha, rule.beta) for layer in layers]
        (agreed,) = smallest([torch.tensor(factors, dtype=torch.float64)])
        return dict(zip(self.names, agreed.tolist(), strict=True))

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
            root = square_root(second)
            scale = spec.format.scale_for(root.amax())
            second.copy_(((root / scale).ceil() * scale).square() if spec.format.multiplier.exponent == 0
                         and spec.format.granularity is None else
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
