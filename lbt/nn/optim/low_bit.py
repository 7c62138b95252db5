"""Optimizers whose state and master weights are low-bit (role U)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lbt.distributed import smallest
from lbt.errors import LbtError
from lbt.kernels.quantize import fake_quantize
from lbt.nn.context import Context
from lbt.nn.optim import bf16, plain
from lbt.nn.optim.place import Place
from lbt.nn.optim.scaling import LossScaling
from lbt.numerics.formats.int import power_of_two
from lbt.numerics.ranges.cosine import learning_rate_factor
from lbt.numerics.root import square_root
from lbt.numerics.rounding import round_to_integer
from lbt.recipe import Recipe


class _LowBit(torch.optim.Optimizer):
    """Mixin: after the ordinary step in float, state and master weights are rounded to what the device stores."""

    places: Mapping[nn.Parameter, Place]
    contexts: list[Context]
    scaling: LossScaling | None = None

    def prepare(self, places: Mapping[nn.Parameter, Place], contexts: list[Context]) -> None:
        """Bind to the places of the parameters; put integer master weights on their grids."""
        self.places, self.contexts = places, contexts
        for p, place in places.items():
            if hasattr(p, "full_tensor") or getattr(p, "_fsdp_flattened", False):
                raise LbtError(
                    f"optimizer: parameter {place.name!r} is sharded over processes (FSDP), but recipe "
                    f"{place.recipe.name!r} rounds whole parameters after an update; use a recipe without U and update"
                )
        self._updates: dict[int, tuple[int, int]] = {}
        recipes = [place.recipe.update for place in places.values()]
        setting = next((update.loss_scale for update in recipes if update.loss_scale is not None), None)
        if not contexts and (setting is not None or any(update.counteract is not None for update in recipes)):
            raise LbtError(
                "optimizer: update.loss_scale and update.counteract need a model that lbt.quantize converted"
            )
        first = self.param_groups[0]
        first["lbt_step"] = 0
        if setting is not None:
            self.scaling = LossScaling(setting, contexts)
            self.scaling.attach(first)
        for group in self.param_groups:
            self._put_on_grids(group)
        self._shorten(first=True)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, as PyTorch's; its parameters follow their own model's recipe."""
        super().add_param_group(param_group)
        if hasattr(self, "places"):
            self._put_on_grids(self.param_groups[-1])
            self._shorten(first=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.param_groups[0]["lbt_step"] += 1
        if self.scaling is not None and not self.scaling.unscale(self._parameters()):
            self._advance()
            return loss
        self._clip()
        factors = self._factors()
        with bf16.widened(self._short()):
            before = {p: p.clone() for p, factor in factors.items() if factor < 1}
            super().step()
            for p, old in before.items():  # exactly what a smaller learning rate for this layer would have done
                p.copy_(old.lerp_(p, factors[p]))
            for p in self._parameters():
                if self._place(p).recipe.U is not None:
                    self._round_state(self.state.get(p, {}), self._place(p))
            for group in self.param_groups:
                self._round_weights(group)
            self._shorten()
        self._advance()
        return loss

    @property
    def skipped(self) -> int:
        """Steps left out because of an overflow (recipes with ``update.loss_scale``)."""
        return self.scaling.skipped if self.scaling else 0

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        bf16.keep_wide_state(self, state_dict, self._short())
        if self.scaling is not None:
            self.scaling.attach(self.param_groups[0])
        for context in self.contexts:
            if not context.told:  # nobody else knows the step
                context.step = context.drawn = self.param_groups[0]["lbt_step"]

    def _parameters(self) -> list[nn.Parameter]:
        return [p for group in self.param_groups for p in group["params"]]

    def _short(self) -> list[nn.Parameter]:
        """The parameters that are kept in bfloat16 alone."""
        return [p for p in self._parameters() if self._place(p).recipe.update.master == "bf16"]

    def _place(self, p: nn.Parameter) -> Place:
        return self.places.get(p) or Place("", "", Recipe(), None)

    def _clip(self) -> None:
        """Clip the gradients of each recipe's parameters together."""
        clipped: dict[float, list[nn.Parameter]] = {}
        for p in self._parameters():
            most = self._place(p).recipe.update.clip_norm
            if most is not None:
                clipped.setdefault(most, []).append(p)
        for most, parameters in clipped.items():
            torch.nn.utils.clip_grad_norm_(parameters, most)

    def _factors(self) -> dict[nn.Parameter, float]:
        """The learning-rate factor of each parameter whose layer has noted a deviation; the same in all processes."""
        found: dict[nn.Parameter, float] = {}
        for p in self._parameters():
            place = self._place(p)
            rule = place.recipe.update.counteract
            if rule is not None and place.context is not None:
                deviation = place.context.deviations.get(place.layer, 0.0)
                found[p] = learning_rate_factor(deviation, rule.alpha, rule.beta)
        if not found:
            return {}
        (agreed,) = smallest([torch.tensor(list(found.values()), dtype=torch.float64)])
        return dict(zip(found, agreed.tolist(), strict=True))

    def _update(self, place: Place) -> int:
        """Number of this optimizer's updates since the step of the parameter's model was set."""
        told, count = self._updates.get(id(place.context), (-1, 0))
        return count if place.context is not None and told == place.context.told else 0

    def _advance(self) -> None:
        for context in self.contexts:
            told, count = self._updates.get(id(context), (-1, 0))
            again = told == context.told
            if context.told:
                self._updates[id(context)] = context.told, count + 1 if again else 1
            context.advance(again)

    def _round_state(self, state: dict[str, Any], place: Place) -> None:
        spec, step, update = place.recipe.U, self.param_groups[0]["lbt_step"], self._update(place)
        assert spec is not None
        for entry in ("momentum_buffer", "exp_avg"):
            if isinstance(state.get(entry), Tensor):
                state[entry].copy_(fake_quantize(state[entry], spec, place.key("U", step, update)))
        second, squares = state.get("exp_avg_sq"), spec.format.for_squares
        if isinstance(second, Tensor) and squares is not None:
            own = spec.model_copy(update={"format": squares})
            second.copy_(fake_quantize(second, own, place.key("U2", step, update)))
        elif isinstance(second, Tensor):
            # its root is what Adam divides by: stored as the root, rounded up, so that a small one never becomes zero
            root = square_root(second.float())
            scale = spec.format.scale_for(root.amax())
            second.copy_(((root / scale).ceil() * scale).square() if spec.format.multiplier.exponent == 0
                         and spec.format.granularity is None else
                         fake_quantize(root, spec, place.key("U2", step, update)).square())  # fmt: skip

    def _put_on_grids(self, group: dict[str, Any]) -> None:
        """Fix the grids of the integer master weights in ``group``, and round the weights to them."""
        for p in group["params"]:
            _check_holds(p, self._place(p))
        grids = [_grid(p, place.recipe) if (place := self._place(p)).recipe.update.master == "integer" else None
                 for p in group["params"]]  # fmt: skip
        if any(grid is not None for grid in grids):
            # kept in the group, so that a state dict carries them: the grid is fixed for the whole run
            group["lbt_grids"] = grids
            self._round_weights(group, first=True)

    def _shorten(self, first: bool = False) -> None:
        """Round the weights that are kept in bfloat16 alone."""
        for p in self._short():
            place = self._place(p)
            bf16.rounded(p, place.key("master", self.param_groups[0]["lbt_step"], self._update(place)), first=first)

    def _round_weights(self, group: dict[str, Any], first: bool = False) -> None:
        for p, grid in zip(group["params"], group.get("lbt_grids", ()), strict=False):
            if grid is None:
                continue
            place = self._place(p)
            key = place.key("master", self.param_groups[0]["lbt_step"], self._update(place))
            if first:
                key = replace(key, step=0)
            spec, bound = place.recipe.U, 2 ** (place.recipe.update.bits - 1) - 1
            codes = round_to_integer(p.detach().float() / grid, spec.rounding if spec else "nearest", key)
            p.data.copy_(codes.clamp_(-bound, bound).mul_(grid))


def _check_holds(p: Tensor, place: Place) -> None:
    """Refuse integer master weights that the parameter's own type cannot hold."""
    update = place.recipe.update
    most = 2 - round(math.log2(torch.finfo(p.dtype).eps))
    if update.master == "integer" and update.bits > most:
        raise LbtError(
            f"optimizer: parameter {place.name!r} is {p.dtype}, which holds integers of up to {most} bits; found "
            f"update.bits {update.bits}: keep the master weights in float32"
        )


def _grid(p: Tensor, recipe: Recipe) -> float:
    """The power-of-two step of a tensor's integer master weights."""
    reach = p.detach().float().abs().amax().clamp_min(2.0**-6) * recipe.update.headroom
    return float(power_of_two(reach / (2 ** (recipe.update.bits - 1) - 1), "up"))


class LowBitSGD(_LowBit, plain.SGD):
    """SGD with a quantized momentum buffer, and integer master weights where the recipe says so."""


class LowBitAdam(_LowBit, plain.Adam):
    """Adam with quantized moments, and integer master weights where the recipe says so."""


class LowBitAdamW(_LowBit, plain.AdamW):
    """AdamW with quantized moments, and integer master weights where the recipe says so."""
