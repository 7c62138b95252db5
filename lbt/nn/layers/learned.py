"""Step sizes that a layer learns (the range rule :mod:`lbt.numerics.ranges.learned`): parameters, state, gradients.

A layer has a parameter ``step_size_W`` or ``step_size_A`` of shape (1,), float32, and for a format with a zero point a
buffer ``zero_point_W`` or ``zero_point_A``. Both are NaN until the first training batch has set them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lbt.distributed import average, largest, own_group, world
from lbt.errors import LbtError
from lbt.kernels.quantize import quantize
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec

if TYPE_CHECKING:
    from lbt.kernels.kernel import Kernel
    from lbt.kernels.quantized import Quantized
    from lbt.nn.layers.base import QuantizedLayer
    from lbt.numerics.ranges.learned import Rule

STEP, ZERO = "step_size_", "zero_point_"
STARTED = "lbt_started"
"""Name of the set of roles, on the layer, whose step size needs no look at it any more."""


def add(layer: nn.Module, role: str, spec: RoleSpec, device: torch.device) -> None:
    """Give ``layer`` the parameter, and the buffer where there is one, for the tensors of ``role``."""
    unset = torch.full((1,), float("nan"), device=device)
    layer.register_parameter(f"{STEP}{role}", nn.Parameter(unset))
    if spec.format.has_zero_point:
        layer.register_buffer(f"{ZERO}{role}", unset.clone())


def states(layer: nn.Module) -> dict[str, Tensor]:
    """By role, the state that the range rule takes: (1,), or (2,) with a zero point; a new tensor."""
    found = {}
    for name, step in layer._parameters.items():
        if name.startswith(STEP) and step is not None:
            role = name[len(STEP) :]
            zero = layer._buffers.get(f"{ZERO}{role}")
            found[role] = torch.cat([step.detach().float(), *([] if zero is None else [zero.float()])])
    return found


def idle(layer: nn.Module, output: Tensor) -> Tensor:
    """``output``, which is empty, with gradients of zero for the step sizes of ``layer``, as its weight's is."""
    steps = (step for name, step in layer._parameters.items() if name.startswith(STEP) and step is not None)
    return sum((step.nan_to_num().sum() for step in steps), output)


def applied(layer: QuantizedLayer, role: str, x: Tensor, spec: RoleSpec, key: Key, kernel: Kernel) -> Tensor:
    """``x``, the operand of ``role`` that ``kernel`` quantizes next, with the gradients of itself and of its step."""
    if layer.training:
        _start(layer, role, x, spec)
    step = layer._parameters[f"{STEP}{role}"]
    if not torch.is_grad_enabled() or not (x.requires_grad or (step is not None and step.requires_grad)):
        return x
    samples, offset = (1, 0) if role == "W" else (max(1, len(x) // kernel.rows), layer.context.offset(x, kernel.rows))
    again = partial(quantize, spec=spec, key=replace(key, role=role), want="both", offset=offset,
                    place=kernel.places[role])  # fmt: skip
    return Stepped.apply(x, step, states(layer)[role], again, x.numel() / samples)  # type: ignore[no-any-return]


@torch.no_grad()
def _start(layer: QuantizedLayer, role: str, x: Tensor, spec: RoleSpec) -> None:
    """Set the step size from ``x``, its first tensor in training; processes that share a batch agree on it.

    Raises:
        LbtError: the processes' steps would part, or the parameter is sharded.
    """
    context, name = layer.context, layer.lbt_name
    started = layer.__dict__.setdefault(STARTED, set())  # so that a GPU is asked once
    if role in started:
        return
    started.add(role)
    step, zero = layer._parameters[f"{STEP}{role}"], layer._buffers.get(f"{ZERO}{role}")
    assert step is not None
    if not bool(step.isnan().any()):
        return
    if hasattr(step, "full_tensor") or getattr(step, "_fsdp_flattened", False):
        raise LbtError(f"layer {name!r}: range learned: its step size is sharded over processes (FSDP)")
    if world().size > 1 and not context.shared:
        raise LbtError(
            f"layer {name!r}: range learned: call lbt.nn.share_ranges(model), or each process has its own step"
        )
    first = cast("Rule", spec.range).start(x.detach().float(), spec.format)
    parts = first[:1], first[1:]
    if context.shared:
        parts = average([parts[0]], own_group())[0], largest([parts[1]], own_group())[0]
    step.copy_(parts[0])
    if zero is not None:
        zero.copy_(parts[1])


class Stepped(torch.autograd.Function):
    """``Stepped.apply(x, step, state, again, count)``: ``x``, which the product quantizes next.

    The product passes the gradient of the quantized tensor on as it is. Here it becomes that of ``x`` and of ``step``.

    Args:
        again: quantizes ``x`` with a state, as the product does.
        count: N of the gradient's divisor.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, step: Tensor, state: Tensor, again: Callable[..., Quantized], count: float
    ) -> Tensor:
        ctx.save_for_backward(x, step, state)
        ctx.again, ctx.count = again, count
        return x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, step, state = ctx.saved_tensors
        q = ctx.again(x, running=state)
        low, high = (torch.as_tensor(end).view(()) for end in q.form.bounds(q.zero_point))
        scale = q.scale.view(())
        v, found = x.float() / scale, q.dequantize() / scale
        inside = (v > low) & (v < high)
        slope = (gradient.float() * (found - v * inside)).sum() / (ctx.count * high).sqrt() * step.sign()
        return gradient * inside, slope.to(step.dtype).view(1), None, None, None
