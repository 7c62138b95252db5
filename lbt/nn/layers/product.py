"""The products of a training step, with quantized operands: y = A·W forward, E·W and E·A backward.

Forward:  y = Q_A(x) ∗ Q_W(w) + b
Backward: dx = Q_E(dy) ∗ᵀ Q_W(w);  dw = Q_G( Q_EG(dy) ∗ Q_A(x) );  db = Σ Q_E(dy)

The straight-through estimator passes dx and dw on to x and w as they are. Every tensor is quantized once and used in
all its products; x and w are saved as codes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lbt.distributed import average, channel
from lbt.kernels.operand import Operand, Saved, one_scale, operand
from lbt.kernels.quantize import fake_quantize
from lbt.nn.context import Context
from lbt.numerics.formats import Int
from lbt.numerics.rounding import Key
from lbt.recipe import Roles


class Kernel(Protocol):
    """A bilinear operation and its two gradients, on operands; results are float32 with the scales applied.

    Attributes:
        reads_codes: whether y and dx, and whether dw and db, are made of codes. Values are there when asked for
            all the same, for one more pass.
    """

    reads_codes: tuple[bool, bool]

    def forward(self, a: Operand, w: Operand) -> Tensor: ...

    def gradients(
        self, e: Operand, a: Operand | None, w: Operand | None, a_shape: torch.Size, w_shape: torch.Size
    ) -> tuple[Tensor | None, Tensor | None]:
        """(dx, dw): dx where ``w`` is given, dw where ``a`` is given."""
        ...

    def grad_bias(self, e: Operand) -> Tensor: ...


def scaled(result: Tensor, left: Operand, right: Operand) -> Tensor:
    """``result`` times both operands' scales, in place."""
    factor = left.scale * right.scale
    return result if isinstance(factor, float) and factor == 1.0 else result.mul_(factor)


@contextlib.contextmanager
def full_precision(*operands: Operand) -> Iterator[None]:
    """On a GPU, float32 products of all 24 bits: the default for convolutions (TF32) keeps 11, too few for values with
    scales in them. Codes of eight bits fit, so that their products stay fast, and exact."""
    narrow = all(x.codes is not None and x.codes.dtype == torch.int8 for x in operands)
    if narrow or operands[0].saved.tensor.device.type != "cuda":
        yield
        return
    flags: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    before = [flag.allow_tf32 for flag in flags]
    try:
        for flag in flags:
            flag.allow_tf32 = False
        yield
    finally:
        for flag, value in zip(flags, before, strict=True):
            flag.allow_tf32 = value


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
        with torch.autocast(x.device.type, enabled=False):
            per_sample = x[0].numel() if x.dim() and len(x) else 0
            offset = context.first_sample * per_sample
            need_w, need_a = ctx.needs_input_grad[0], ctx.needs_input_grad[1]
            codes = kernel.reads_codes[0]
            a = operand(
                x, roles.A, _role(key, "A"), slot="A", keep=need_a, offset=offset, running=limits.get("A"),
                only_codes=codes,
            )  # fmt: skip
            w = operand(
                weight, roles.W, _role(key, "W"), slot="W", keep=need_w, running=limits.get("W"), only_codes=codes
            )
            y = kernel.forward(a, w)
            if bias is not None:
                y.add_(bias.detach().view(1, -1, *(1,) * (y.dim() - 2)) if kernel_is_conv(kernel) else bias.detach())
        ctx.save_for_backward(a.saved.tensor if need_a else None, w.saved.tensor if need_w else None)
        ctx.saved_forms = a.saved if need_a else None, w.saved if need_w else None
        ctx.scales, ctx.shapes, ctx.dtypes = (a.scale, w.scale), (x.shape, weight.shape), (x.dtype, weight.dtype)
        ctx.kernel, ctx.roles, ctx.key, ctx.context, ctx.limits = kernel, roles, key, context, limits
        if ctx.saved_forms[0] is not None:
            ctx.saved_forms[0].tensor = None  # autograd owns it now, and frees it after backward
        if ctx.saved_forms[1] is not None:
            ctx.saved_forms[1].tensor = None
        return y.to(x.dtype) if x.dtype != y.dtype else y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        kernel, roles, key, limits, context = ctx.kernel, ctx.roles, ctx.key, ctx.limits, ctx.context
        tensors: tuple[Tensor, ...] = ctx.saved_tensors
        offset = context.first_sample * (dy[0].numel() if dy.dim() and len(dy) else 0)
        need_x, need_w, need_b = ctx.needs_input_grad[:3]
        codes, codes_dw = kernel.reads_codes
        keep, only = (codes and need_x) or codes_dw, codes and codes_dw
        db = None
        with torch.autocast(dy.device.type, enabled=False):
            e = operand(
                dy, roles.E, _role(key, "E"), slot="E", keep=keep, offset=offset, running=limits.get("E"),
                only_codes=only,
            )  # fmt: skip
            if need_b:
                db = kernel.grad_bias(e)
            (form_a, form_w), (scale_a, scale_w) = ctx.saved_forms, ctx.scales
            a = _again(form_a, tensors[0], scale_a, "A") if need_w else None
            w = _again(form_w, tensors[1], scale_w, "W") if need_x else None
            if roles.EG is None or a is None:
                dx, dw = kernel.gradients(e, a, w, *ctx.shapes)
            else:
                dx = kernel.gradients(e, None, w, *ctx.shapes)[0] if w is not None else None
                eg_key, limit = _role(key, "EG"), limits.get("EG")
                e = operand(
                    dy, roles.EG, eg_key, slot="E", keep=codes_dw, offset=offset, running=limit, only_codes=codes_dw
                )
                dw = kernel.gradients(e, a, None, *ctx.shapes)[1]
            if dw is not None:
                if roles.G is not None:
                    # what is quantized, and stored, is the gradient of the whole batch
                    dw = average([dw], channel())[0] if context.shared else dw
                    dw = fake_quantize(dw, roles.G, _role(key, "G"), running=limits.get("G"))
                dw = dw.to(ctx.dtypes[1])
            if dx is not None:
                dx = dx.to(ctx.dtypes[0])
        return dx, dw, db, None, None, None, None, None


def _role(key: Key, role: str) -> Key:
    return Key(key.seed, key.step, key.layer, role, key.call)


def _again(form: Saved, tensor: Tensor, scale: float | Tensor, slot: str) -> Operand:
    """The forward operand from what was saved of it."""
    codes = tensor if tensor.dtype != torch.float32 else None
    if form.quantized is not None:
        codes = form.quantized.layout.restore(form.quantized.codes) if one_scale(form.quantized) else None
    if codes is not None and (form.quantized is None or isinstance(form.quantized.form, Int)):
        return Operand(scale, form, codes, slot)
    return Operand(scale, form, codes, slot, form.values(tensor, slot))


def kernel_is_conv(kernel: Kernel) -> bool:
    """Whether the bias of ``kernel`` runs along dimension 1 instead of the last."""
    return bool(getattr(kernel, "channel_first", False))
