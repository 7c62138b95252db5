"""What the quantized convolution and linear layers share."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lbt.nn.context import Context
from lbt.nn.product import Kernel, Product
from lbt.numerics.recipe import Roles

M = TypeVar("M", bound=nn.Module)


class QuantizedLayer(nn.Module):
    """Mixin of a layer whose products run on quantized operands; parameters and state dict stay the float layer's.

    Attributes:
        lbt_name: the layer's name, which keys its random numbers and is named in errors.
        roles: its formats.
        context: what it shares with the model's other layers.
    """

    lbt_name: str
    roles: Roles
    context: Context
    weight: Any  # a parameter; the float layer that is mixed in says so
    bias: Any  # a parameter, or None where the layer has no bias

    @classmethod
    def from_float(cls, layer: nn.Module, name: str, roles: Roles, context: Context) -> Any:
        """A quantized layer with the same parameter objects, hooks and mode as ``layer``."""
        new = adopt(layer, cls)
        new.lbt_name, new.roles, new.context = name, roles, context
        for role in ("W", "A", "E", "EG", "G"):
            spec = getattr(roles, role)
            if spec is not None and spec.range.memory:
                new.register_buffer(f"running_limit_{role}", torch.full((1,), -1.0))
        return new

    def limits(self) -> dict[str, Tensor]:
        """The running limits of the roles whose range rule has a memory."""
        prefix = "running_limit_"
        return {n[len(prefix) :]: b for n, b in self._buffers.items() if n.startswith(prefix) and b is not None}

    @torch.compiler.disable
    def product(self, x: Tensor, kernel: Kernel) -> Tensor:
        """``kernel`` on ``x`` and this layer's weight and bias."""
        context = self.context
        key = context.key(self.lbt_name, "A", context.next_call(self.lbt_name))
        result = Product.apply(x, self.weight, self.bias, kernel, self.roles, key, context, self.limits())
        return result  # type: ignore[no-any-return]

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *arguments: Any) -> None:
        for name, limit in self.limits().items():  # a float model's state dict has no running limits
            state_dict.setdefault(f"{prefix}running_limit_{name}", limit)
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def adopt(module: nn.Module, cls: type[M]) -> M:
    """A module of type ``cls`` that takes over everything ``module`` has: parameters, buffers, hooks, options."""
    new = cls.__new__(cls)
    new.__dict__.update(module.__dict__)
    for registry in ("_parameters", "_buffers", "_modules"):
        new.__dict__[registry] = dict(module.__dict__[registry])
    return new
