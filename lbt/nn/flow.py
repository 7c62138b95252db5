"""Quantizing what flows between layers: an activation on its way forward, its error on its way back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lbt.nn.context import Context
from lbt.numerics.quantize import fake_quantize
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec


class _Flow(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, a: RoleSpec | None, e: RoleSpec | None, key: Key, context: Context) -> Tensor:
        ctx.e, ctx.key, ctx.context = e, key, context
        return x.view_as(x) if a is None else fake_quantize(x, a, key, offset=_offset(context, x)).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        dy = ctx.context.finite(dy)
        if ctx.e is None:
            return dy, None, None, None, None
        key: Key = ctx.key
        key = Key(key.seed, key.step, key.layer, "E", key.call)
        return fake_quantize(dy, ctx.e, key, offset=_offset(ctx.context, dy)).to(dy.dtype), None, None, None, None


def _offset(context: Context, x: Tensor) -> int:
    return context.first_sample * (x[0].numel() if x.dim() and len(x) else 0)


class Flow:
    """A forward hook: quantizes a module's output by ``a``, and in backward the error that arrives there by ``e``.

    Registered as a forward pre-hook (:meth:`enter`) it does the same to what the module reads.
    """

    def __init__(self, name: str, a: RoleSpec | None, e: RoleSpec | None, context: Context) -> None:
        self.name, self.a, self.e, self.context = name, a, e, context

    @torch.compiler.disable
    def __call__(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        key = self.context.key(self.name, "A", self.context.next_call(self.name))
        return _Flow.apply(output, self.a, self.e, key, self.context)  # type: ignore[no-any-return]

    def enter(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The hook for a module's first input."""
        return (self(module, (), inputs[0]), *inputs[1:])


def flows(module: nn.Module) -> list[Flow]:
    """What quantizes the input and the output of ``module`` itself."""
    hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
    owners = [getattr(hook, "__self__", hook) for hook in hooks]
    return [owner for owner in owners if isinstance(owner, Flow)]


class Add(nn.Module):
    """``a + b`` as a module, so that a recipe can quantize the sum of a residual connection."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b
