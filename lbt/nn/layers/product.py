"""The products of a training step, with quantized operands: y = A·W forward, E·W and E·A backward.

Forward:  y = Q_A(x) ∗ Q_W(w) + b
Backward: dx = Q_E(dy) ∗ᵀ Q_WE(w);  dw = Q_G( Q_EG(dy) ∗ Q_AG(x) );  db = Σ Q_E(dy)

The straight-through estimator passes dx and dw on to x and w as they are. A tensor is quantized once and used in both
of its products, unless the recipe gives the second product a copy of its own (WE, AG, EG). The backward pass reads the
copies of x and w only, so that these are what is saved, as codes. Where E is rotated, db is the sum of the float error.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lbt.distributed import average, own_group
from lbt.kernels import floats
from lbt.kernels.kernel import Kernel
from lbt.kernels.quantize import fake_quantize, quantize
from lbt.kernels.quantized import Quantized, unquantized
from lbt.nn.context import Context
from lbt.numerics.rounding import Key
from lbt.recipe import Roles


class Product(torch.autograd.Function):
    """``Product.apply(x, weight, bias, kernel, roles, key, context, limits)``; see the module for the formulas."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        kernel: Kernel,
        roles: Roles,
        key: Key,
        context: Context,
        limits: dict[str, Tensor],
    ) -> Tensor:
        need_w, need_a = ctx.needs_input_grad[0], ctx.needs_input_grad[1]
        own_w, own_a = roles.WE is not None, roles.AG is not None
        codes, offset = kernel.reads_codes[0], context.offset(x, kernel.rows)
        offset_w = context.offset(weight, kernel.rows) if kernel.right != "W" else 0

        def operand(tensor: Tensor, role: str, want: Any, offset: int) -> Quantized:
            own = replace(key, role=role.replace("W", kernel.right))
            return quantize(
                tensor, getattr(roles, role), own, want=want, slot=role[0], offset=offset, running=limits.get(role),
                place=kernel.places[role],
            )  # fmt: skip

        with torch.autocast(x.device.type, enabled=False):
            a = operand(x, "A", _wanted(codes, keep=need_a and not own_a), offset)
            w = operand(weight, "W", _wanted(codes, keep=need_w and not own_w), offset_w)
            y = kernel.forward(a, w)
            if bias is not None:
                y.add_(bias.detach().view(1, -1, *(1,) * (y.dim() - 2)) if kernel.channel == 1 else bias.detach())
            if need_a and own_a:
                a = operand(x, "AG", "codes", offset)
            if need_w and own_w:
                w = operand(weight, "WE", "codes", offset_w)
        ctx.save_for_backward(a.stored if need_a else None, w.stored if need_w else None)
        ctx.saved, ctx.dtypes = (a.without_tensor(), w.without_tensor()), (x.dtype, weight.dtype)
        ctx.kernel, ctx.roles, ctx.key, ctx.context, ctx.limits = kernel, roles, key, context, limits
        return y.to(x.dtype) if x.dtype != y.dtype else y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        kernel, roles, key, limits, context = ctx.kernel, ctx.roles, ctx.key, ctx.limits, ctx.context
        need_x, need_w, need_b = ctx.needs_input_grad[:3]
        (a, w), (saved_a, saved_w) = ctx.saved, ctx.saved_tensors
        in_error, in_gradient = kernel.reads_codes
        turned = roles.E is not None and roles.E.rotate is not None

        def error(role: str, want: Any, draw: int = 0) -> Quantized:
            own = replace(key, role=f"{role}{draw or ''}")
            running, offset = limits.get(role), context.offset(dy, kernel.rows)
            running = running.clone() if running is not None and draw else running  # the last, draw 0, moves it
            return quantize(
                dy, getattr(roles, role), own, want=want, slot="E", offset=offset, running=running,
                place=kernel.places[role],
            )  # fmt: skip

        dx = dw = db = None
        with torch.autocast(dy.device.type, enabled=False):
            if need_b and turned:
                db = floats.bias_gradient(unquantized(dy))
            e = error("E", _wanted(in_error and in_gradient, keep=(in_error and need_x) or in_gradient))
            if need_b and not turned:
                db = kernel.bias_gradient(e)
            if need_x:
                dx = kernel.error(e, w.with_tensor(saved_w)).to(ctx.dtypes[0])
            if need_w:
                a, wanted = a.with_tensor(saved_a), _wanted(in_gradient, keep=False)
                draws = 0 if roles.EG is None else roles.EG.samples
                dw = kernel.weight_gradient(error("EG", wanted, draws - 1) if draws else e, a)
                for draw in reversed(range(draws - 1)):
                    dw.add_(kernel.weight_gradient(error("EG", wanted, draw), a))
                if draws > 1:
                    dw.div_(draws)
                if roles.G is not None:
                    # what is quantized, and stored, is the gradient of the whole batch
                    dw = average([dw], own_group())[0] if context.shared else dw
                    dw = fake_quantize(dw, roles.G, replace(key, role="G"), running=limits.get("G"))
                dw = dw.to(ctx.dtypes[1])
        return dx, dw, db, None, None, None, None, None


def _wanted(only_codes: bool, *, keep: bool) -> Any:
    """The part of an operand that a product reads: codes alone, or values, and codes too where they are kept."""
    return "codes" if only_codes else "both" if keep else "values"
