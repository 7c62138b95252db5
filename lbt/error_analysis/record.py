"""One training step, watched: every tensor that is about to be quantized, as it arrives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lbt.nn.layers.base import QuantizedLayer
from lbt.nn.layers.flow import Flow, flows
from lbt.numerics.spec import RoleSpec

Loss = Callable[[Tensor, Tensor], Tensor]
ROLES = ("W", "A", "E", "EG", "G")


@dataclass(frozen=True)
class Seen:
    """A tensor before its quantization.

    Attributes:
        layer: name of the layer, norm, pool or addition.
        role: W, A, E, EG or G.
        spec: how it is quantized.
        x: the tensor, float.
        running: the running limit of a range rule with memory.
    """

    layer: str
    role: str
    spec: RoleSpec
    x: Tensor
    running: Tensor | None = None


def record(model: nn.Module, inputs: Tensor, labels: Tensor | None, loss_fn: Loss) -> list[Seen]:
    """Run one training step on ``model`` (a copy that nobody needs any more) and return what it quantizes, in order."""
    found: dict[tuple[str, str], Tensor] = {}
    layers = [module for module in model.modules() if isinstance(module, QuantizedLayer)]
    original = {layer.lbt_name: layer.roles for layer in layers}
    for module in model.modules():
        for flow in flows(module):
            _watch_flow(module, flow, found)
    for layer in layers:
        _watch_layer(layer, found)
    model.zero_grad()
    with torch.enable_grad():
        output = model(inputs)
        loss_fn(output, output.detach().argmax(1) if labels is None else labels).backward()  # type: ignore[no-untyped-call]
    seen: list[Seen] = []
    for module in model.modules():
        if isinstance(module, QuantizedLayer):
            name, roles, limits = module.lbt_name, original[module.lbt_name], module.limits()
            if module.weight.grad is not None:
                found[name, "G"] = module.weight.grad.detach().clone()
            seen += [
                Seen(name, role, spec, found[name, arrives], limits.get(role))
                for role in ROLES
                for arrives in ("E" if role == "EG" else role,)
                if (spec := getattr(roles, role)) is not None and (name, arrives) in found
            ]
        for flow in flows(module):
            both = (("A", flow.a), ("E", flow.e))
            seen += [
                Seen(flow.name, role, spec, found[flow.name, role])
                for role, spec in both
                if spec is not None and (flow.name, role) in found
            ]
    return seen


def _watch_layer(layer: QuantizedLayer, found: dict[tuple[str, str], Tensor]) -> None:
    name = layer.lbt_name
    found[name, "W"] = layer.weight.detach().clone()
    if layer.folded:
        found[name, "W"] = layer.folded[0].fold(layer.weight, layer.bias)[0].detach()
    # G is wanted as it is before its quantization
    layer.roles = layer.roles.model_copy(update={"G": None})

    def enter(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        found[name, "A"] = arguments[0].detach().clone()

    def leave(_: nn.Module, __: Any, output: Tensor) -> None:
        if output.requires_grad:
            output.register_hook(lambda dy: found.__setitem__((name, "E"), dy.detach().clone()))

    layer.register_forward_pre_hook(enter)
    layer.register_forward_hook(leave)


def _watch_flow(module: nn.Module, flow: Flow, found: dict[tuple[str, str], Tensor]) -> None:
    def error(original: Callable[..., Tensor], dy: Tensor, *rest: Any) -> Tensor:
        found[flow.name, "E"] = dy.detach().clone()
        return original(dy, *rest)

    def note(x: Tensor) -> None:
        found[flow.name, "A"] = x.detach().clone()

    flow.error = partial(error, flow.error)  # type: ignore[method-assign]
    if flow in module._forward_hooks.values():
        module.register_forward_hook(lambda _, __, output: note(output), prepend=True)
    else:
        module.register_forward_pre_hook(lambda _, inputs: note(inputs[0]), prepend=True)
