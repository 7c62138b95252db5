"""The base of quantized convolution and linear layers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lbt.kernels.kernel import Kernel
from lbt.kernels.quantize import fake_quantize
from lbt.nn.context import Context
from lbt.nn.eager import eager
from lbt.nn.layers import learned
from lbt.nn.layers.mixed import become
from lbt.nn.layers.product import Product
from lbt.nn.passes import begin
from lbt.numerics.analysis import cosine_distance
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec
from lbt.recipe import Roles

if TYPE_CHECKING:
    from lbt.nn.norms.folded_bn import FoldedBN

LIMIT = "running_limit_"
"""Prefix of the buffers of running limits, before the role."""


class QuantizedLayer(nn.Module):
    """Mixin of a layer whose products run on quantized operands; parameters and state dict stay the float layer's.

    Attributes:
        lbt_name: the layer's name, which keys its random numbers and is named in errors.
        roles: its formats.
        final_roles: those of the final phase; None where the recipe has none.
        context: what it shares with the model's other layers.
        folded: the norm that this layer carries in its weight, or nothing. In a tuple, since the norm is registered
            elsewhere in the model.
    """

    lbt_name: str
    roles: Roles
    final_roles: Roles | None = None
    context: Context
    folded: tuple[FoldedBN, ...] = ()
    weight: Any  # a parameter; the float layer that is mixed in says so
    bias: Any  # a parameter, or None where the layer has no bias

    @classmethod
    def from_float(cls, layer: nn.Module, name: str, roles: Roles, context: Context) -> Any:
        """``layer`` itself, changed into a quantized one in place: parameters, hooks, references to it stay."""
        new = become(layer, cls)
        new.lbt_name, new.roles, new.context = name, roles, context
        new.remember_ranges(roles)
        return new

    def remember_ranges(self, roles: Roles) -> None:
        """Register the state that range rules of ``roles`` need."""
        for role, spec in roles.given().items():
            if spec.range.learned:
                learned.add(self, role, spec, self.weight.device)
            elif spec.range.memory:
                self.register_buffer(f"{LIMIT}{role}", torch.full((1,), -1.0))

    def limits(self) -> dict[str, Tensor]:
        """The state of the roles whose range rule has a memory."""
        running = {n[len(LIMIT) :]: b for n, b in self._buffers.items() if n.startswith(LIMIT) and b is not None}
        return running | learned.states(self)

    @property
    def now(self) -> Roles:
        """The formats of this pass: those of the recipe's final phase in training, once it has begun."""
        return self.final_roles if self.final_roles is not None and self.training and self.context.final else self.roles

    @eager
    def product(self, x: Tensor, kernel: Kernel) -> Tensor:
        """``kernel`` on ``x`` and this layer's weight and bias, a norm that follows folded in."""
        context, roles = self.context, self.now
        key, limits = begin(context, self.lbt_name, x, self, roles, self.limits())
        with torch._C.DisableTorchFunction():  # what is inside is no product of the model's (lbt.nn.layers.functions)
            weight, bias = whole(self.weight), self.bias
            if self.folded:
                weight, bias = self.folded[0].fold(weight, bias)
            if not x.numel():
                return learned.idle(self, kernel.plain(x, weight, bias))
            if roles.learn:
                x, weight = (
                    learned.applied(self, role, tensor, spec, key, kernel) if spec and spec.range.learned else tensor
                    for role, tensor, spec in (("A", x, roles.A), ("W", weight, roles.W))
                )
                limits |= learned.states(self)  # the first batch has just set them
            result: Tensor = Product.apply(x, weight, bias, kernel, roles, key, context, limits)
        update = context.recipe.update
        if result.requires_grad and (update.loss_scale is not None or update.counteract is not None):
            result.register_hook(partial(self._see_error, key, kernel.rows, roles.E))
        return result

    @torch.no_grad()
    def _see_error(self, key: Key, rows: int, spec: RoleSpec | None, error: Tensor) -> Tensor:
        """Replace a non-finite error where the loss is scaled; note the angle by which quantization turns it."""
        error = self.context.finite(error)
        if self.context.recipe.update.counteract is not None and spec is not None:
            running = self.limits().get("E")
            running = None if running is None else running.clone()
            own, offset = replace(key, role="E"), self.context.offset(error, rows)
            self.context.deviations[self.lbt_name] = cosine_distance(
                error, fake_quantize(error, spec, own, offset=offset, running=running)
            )
        return error

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *arguments: Any) -> None:
        for name, value in (*self._parameters.items(), *self._buffers.items()):
            if added(name) and value is not None:  # a float model's state dict has none of these
                state_dict.setdefault(f"{prefix}{name}", value.detach())
        self.__dict__.pop(learned.STARTED, None)
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def added(name: str) -> bool:
    """True for the last part of a state dict's name that the float layer's does not have."""
    return name.startswith((LIMIT, learned.STEP, learned.ZERO))


def whole(weight: Tensor) -> Tensor:
    """``weight``; in memory of its own where several processes may share it (FSDP frees its own between layers).

    A NumPy view, through which the fast loops read, would keep FSDP from freeing it.
    """
    return weight.clone() if torch.distributed.is_available() and torch.distributed.is_initialized() else weight
