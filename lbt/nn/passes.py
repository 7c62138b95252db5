"""Draws and running limits of a forward pass: only a training step's own passes count.

- Evaluation (``module.eval()``) leaves the count of passes and running limits alone.
- A pass that activation checkpointing makes again, inside of the backward pass, repeats the draws and limits of the
  pass that it stands for. Where a layer had several in this step, it is known by its input.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lbt.errors import LbtError
from lbt.nn.context import Context, Pass
from lbt.numerics.rounding import Key
from lbt.recipe import Roles

_SAMPLE = 16
_KEPT = 64
FORWARD = ("W", "A", "WE", "AG")
"""Roles that are quantized on the way forward."""


def begin(
    context: Context, name: str, x: Tensor, module: nn.Module, roles: Roles, limits: Mapping[str, Tensor]
) -> tuple[Key, dict[str, Tensor]]:
    """The rounding key of a forward pass, and the running limits that it may move.

    Args:
        context: of the model.
        name: of the layer.
        x: its input.
        module: says whether it is in training mode.
        roles: its formats.
        limits: its running limits by role.

    Raises:
        LbtError: ``x`` is of a transform of torch.func.
    """
    if torch._C._functorch.is_functorch_wrapped_tensor(x):
        raise LbtError(
            f"layer {name!r}: found a call inside of torch.func (vmap, grad, …), where quantized products have no "
            "form; accepted: a call on the whole batch, and backward()"
        )
    forward = {role: limit.clone() for role, limit in limits.items() if role in FORWARD}
    if torch._C._current_graph_task_id() != -1:
        found = _again(context, name, x)
        if found is not None:
            return context.key(name, "A", found.call), {**limits, **_clones(found.limits)}
        return context.key(name, "A", max(0, context.calls.get(name, 0) - 1)), {**limits, **forward}
    if not module.training:
        return context.key(name, "A", context.calls.get(name, 0)), _clones(limits)
    call = context.next_call(name)
    if _matters(roles):
        context.passes.setdefault(name, deque(maxlen=_KEPT)).append(Pass(call, _sample(x).clone(), forward))
    return context.key(name, "A", call), dict(limits)


def _matters(roles: Roles) -> bool:
    """True if a pass made again could differ: by its draws, by a limit, or by draws of an error that it hands on."""
    forward = [spec for role in FORWARD if (spec := getattr(roles, role)) is not None]
    if any(spec.rounding == "stochastic" or spec.range.memory for spec in forward):
        return True
    errors = [spec for spec in (roles.E, roles.EG, roles.G) if spec is not None]
    return not torch.is_grad_enabled() and any(spec.rounding == "stochastic" for spec in errors)


def _again(context: Context, name: str, x: Tensor) -> Pass | None:
    passes = context.passes.get(name)
    if not passes:
        return None
    if len(passes) == 1:
        return passes[0]
    sample = _sample(x)
    return next((one for one in reversed(passes) if torch.equal(one.sample, sample)), None)


def _sample(x: Tensor) -> Tensor:
    """A few elements from all over the memory of ``x``."""
    there = x.untyped_storage().nbytes() // max(1, x.element_size()) - x.storage_offset()
    count = min(x.numel(), there)
    return x.detach().as_strided((min(count, _SAMPLE),), (max(1, count // _SAMPLE),))


def _clones(limits: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {role: limit.clone() for role, limit in limits.items()}
