"""One training step, watched: every tensor that is about to be quantized, as it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lbt.errors import LbtError
from lbt.kernels.kernel import CHANNELS, Kernel, Place, places
from lbt.nn.context import contexts_in
from lbt.nn.inputs import Inputs, call, output_tensor
from lbt.nn.layers.base import QuantizedLayer
from lbt.nn.layers.flow import Flow, flows
from lbt.nn.layers.product import Product
from lbt.numerics.spec import RoleSpec
from lbt.recipe import COPIES, Roles

Loss = Callable[[Any, Tensor], Tensor]


@dataclass(frozen=True)
class Seen:
    """The tensors of one role of a layer before their quantization.

    Attributes:
        layer: name of the layer, norm, pool or addition.
        role: W, A, E, WE, AG, EG or G; A2 (and A2E) for the second operand of a product of two activations.
        spec: how each is quantized.
        tensors: float, one for each call of the layer; the weight, which all calls share, once.
        running: the running limit of a range rule with memory.
        place: its dimensions as an operand.
    """

    layer: str
    role: str
    spec: RoleSpec
    tensors: list[Tensor]
    running: Tensor | None = None
    place: Place = CHANNELS


class Found:
    """The tensors of a step by layer and role, of each call of a layer."""

    def __init__(self) -> None:
        self.tensors: dict[tuple[str, str], list[Tensor]] = {}

    def put(self, name: str, role: str, x: Tensor) -> None:
        """Keep a copy of ``x`` as it is: functions in place may write over it."""
        self.tensors.setdefault((name, role), []).append(x.detach().clone())

    def arrive(self, name: str, role: str, x: Tensor) -> None:
        """Keep the input of a forward pass, unless activation checkpointing makes the pass again."""
        if torch._C._current_graph_task_id() == -1:
            self.put(name, role, x)


def record(model: nn.Module, inputs: Inputs, labels: Tensor | None, loss_fn: Loss | None) -> list[Seen]:
    """Run one training step on ``model`` (a copy that nobody needs any more) and return what it quantizes, in order.

    Raises:
        LbtError: the output has no classes that cross-entropy, the default ``loss_fn``, could take.
    """
    sites: dict[str, tuple[Roles, Kernel]] = {}
    found = Found()
    layers = [module for module in model.modules() if isinstance(module, QuantizedLayer)]
    original = {layer.lbt_name: layer.now for layer in layers}
    for module in model.modules():
        for flow in flows(module):
            _watch_flow(module, flow, found)
    for layer in layers:
        _watch_layer(layer, found)
    for context in contexts_in(model):
        context.watch = partial(_see_function, found, sites)
    model.zero_grad()
    with torch.enable_grad():
        _loss(call(model, inputs), labels, loss_fn).backward()  # type: ignore[no-untyped-call]
    seen: list[Seen] = []
    for module in model.modules():
        if isinstance(module, QuantizedLayer):
            where = places(getattr(module, "groups", 1))
            seen += _rows(module.lbt_name, original[module.lbt_name], found, module.limits(), where)
        for flow in flows(module):
            both = (("A", flow.a), ("E", flow.e))
            seen += [
                Seen(flow.name, role, spec, found.tensors[flow.name, role])
                for role, spec in both
                if spec is not None and (flow.name, role) in found.tensors
            ]
    for site, (roles, kernel) in sites.items():
        seen += _rows(site, roles, found, {}, kernel.places, kernel.right)
    return seen


def _rows(
    name: str,
    roles: Roles,
    found: Found,
    limits: Mapping[str, Tensor],
    where: Mapping[str, Place],
    right: str = "W",
) -> Iterator[Seen]:
    for role, spec in roles.given().items():
        arrives = COPIES.get(role, role)
        if (name, arrives) in found.tensors:
            shown, tensors = role.replace("W", right), found.tensors[name, arrives]
            yield Seen(name, shown, spec, tensors, limits.get(role), where.get(role, CHANNELS))


def _loss(output: Any, labels: Tensor | None, loss_fn: Loss | None) -> Tensor:
    if loss_fn is not None and labels is not None:
        return loss_fn(output, labels)
    logits = output_tensor(output, "explain")
    if logits.dim() < 2:
        raise LbtError(f"explain: found an output of shape {tuple(logits.shape)}, which has no classes; give a loss_fn")
    if logits is not output and logits.dim() == 3:  # a language model's (N, T, classes)
        logits = logits.flatten(0, 1)
        labels = None if labels is None else labels.flatten()
    own = logits.detach().argmax(1) if labels is None else labels
    return loss_fn(output, own) if loss_fn is not None else functional.cross_entropy(logits, own)


def _see_function(
    found: Found,
    sites: dict[str, tuple[Roles, Kernel]],
    site: str,
    roles: Roles,
    x: Tensor,
    weight: Tensor,
    result: Tensor,
    kernel: Kernel,
) -> None:
    times = sum(name == site or name.startswith(f"{site} #") for name in sites)
    site = f"{site} #{times + 1}" if times else site  # a function that runs again has rows of its own
    sites[site] = roles, kernel
    found.put(site, "A", x)
    found.put(site, "W", weight)
    if result.requires_grad:
        result.register_hook(lambda dy: found.put(site, "E", dy))


def _watch_layer(layer: QuantizedLayer, found: Found) -> None:
    name = layer.lbt_name
    weight = layer.folded[0].fold(layer.weight, layer.bias)[0] if layer.folded else layer.weight
    found.put(name, "W", weight)
    computed = "weight" not in layer._parameters
    # G is wanted as it is before its quantization
    layer.roles, layer.final_roles = layer.now.model_copy(update={"G": None}), None

    def enter(_: nn.Module, arguments: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        found.arrive(name, "A", next(iter((*arguments, *named.values()))))

    def leave(_: nn.Module, __: Any, output: Tensor) -> None:
        if output.requires_grad:
            output.register_hook(lambda dy: found.put(name, "E", dy))
        product = None if computed else _product_of(output)
        if product is not None:
            product.register_hook(gradient)

    def gradient(gradients: tuple[Tensor | None, ...], _: Any) -> None:
        if gradients[1] is not None:
            found.put(name, "G", gradients[1])

    layer.register_forward_pre_hook(enter, with_kwargs=True)
    layer.register_forward_hook(leave)


def _product_of(output: Tensor) -> Any:
    """The node of a layer's product in the graph behind ``output``: shapes may have been changed between them."""
    node: Any = output.grad_fn
    while node is not None and getattr(node, "_forward_cls", None) is not Product:
        node = node.next_functions[0][0] if node.next_functions else None
    return node


def _watch_flow(module: nn.Module, flow: Flow, found: Found) -> None:
    def error(original: Callable[..., Tensor], dy: Tensor, *rest: Any) -> Tensor:
        found.put(flow.name, "E", dy)
        return original(dy, *rest)

    def note(x: Tensor) -> None:
        found.arrive(flow.name, "A", x)

    flow.error = partial(error, flow.error)  # type: ignore[method-assign]
    if flow in module._forward_hooks.values():
        module.register_forward_hook(lambda _, __, output: note(output), prepend=True)
    else:

        def first(_: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
            note(next(iter((*inputs, *named.values()))))

        module.register_forward_pre_hook(first, prepend=True, with_kwargs=True)
