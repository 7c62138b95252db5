"""Quantizing what flows between layers: an activation on its way forward, its error on its way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lbt.kernels.quantize import fake_quantize
from lbt.nn.context import Context
from lbt.nn.eager import eager
from lbt.nn.passes import begin
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec
from lbt.recipe import Roles


class _Flow(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, flow: Flow, a: RoleSpec, e: RoleSpec | None, key: Key) -> Tensor:
        ctx.flow, ctx.e, ctx.key = flow, e, key
        y = fake_quantize(x, a, key, offset=flow.context.offset(x)).to(x.dtype)
        return y.data  # not a view of what it was computed in: an in-place ReLU may follow

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        return ctx.flow.error(dy, ctx.key, ctx.e), None, None, None, None


class Flow:
    """A forward hook: quantizes a module's output by ``a``, and in backward the error that arrives there by ``e``.

    Registered as a forward pre-hook (:meth:`enter`) it does the same to what the module reads.

    Attributes:
        final: what stands for ``a`` and ``e`` in the recipe's final phase; None: they stay.
    """

    def __init__(self, name: str, a: RoleSpec | None, e: RoleSpec | None, context: Context) -> None:
        self.name, self.a, self.e, self.context = name, a, e, context
        self.final: tuple[RoleSpec | None, RoleSpec | None] | None = None

    @eager
    def __call__(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        if not output.numel():
            return output
        in_final = self.final is not None and module.training and self.context.final
        a, e = self.final if self.final is not None and in_final else (self.a, self.e)
        key, _ = begin(self.context, self.name, output, module, Roles(A=a, E=e), {})
        if a is not None:
            return _Flow.apply(output, self, a, e, key)  # type: ignore[no-any-return]
        if output.requires_grad:
            output.register_hook(lambda dy: self.error(dy, key, e))
        return output

    @torch.no_grad()
    def error(self, dy: Tensor, key: Key, e: RoleSpec | None) -> Tensor:
        """The error that arrives at the output, quantized by ``e``."""
        dy = self.context.finite(dy)
        if e is None:
            return dy
        key = replace(key, role="E")
        return fake_quantize(dy, e, key, offset=self.context.offset(dy)).to(dy.dtype)

    def enter(self, module: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor]) -> tuple[Any, Any]:
        """The hook for a module's first input, given by position or by name."""
        if inputs:
            return (self(module, (), inputs[0]), *inputs[1:]), named
        return (), {name: self(module, (), x) if name == "input" else x for name, x in named.items()}


def flows(module: nn.Module) -> list[Flow]:
    """The hooks that quantize the input and the output of ``module`` itself."""
    hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
    owners = [getattr(hook, "__self__", hook) for hook in hooks]
    return [owner for owner in owners if isinstance(owner, Flow)]


class Add(nn.Module):
    """``a + b`` as a module, so that a recipe can quantize the sum of a residual connection."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b
