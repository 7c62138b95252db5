"""The layer at which a network is cut in a frozen front and a back that learns from stored activations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import prod

import torch
from torch import Tensor, nn

from lbt.errors import LbtError, unknown
from lbt.hardware.trace import PRODUCTS, Graph

SHARE = 0.5
"""Share of the multiply–accumulates that the front of a default cut has at least."""


@dataclass(frozen=True)
class Cut:
    """A module through whose output everything flows.

    Attributes:
        name: of the module.
        shape: of its output, without the batch.
        front: modules of the graph up to and with it.
    """

    name: str
    shape: tuple[int, ...]
    front: tuple[str, ...]


def cuts(graph: Graph) -> dict[str, Cut]:
    """The modules whose output alone reaches the rest of the network, which has a product, by name in forward order."""
    found = {}
    for number, node in enumerate(graph.nodes):
        before, after = graph.nodes[: number + 1], graph.nodes[number + 1 :]
        made = {graph.source, *(one.output for one in before)}
        crossing = {value for one in after for value in one.inputs if value in made}
        known = any(node.name.startswith(f"{one.name}.") for one in graph.nodes)
        if crossing == {node.output} and any(one.kind in PRODUCTS for one in after) and "#" not in node.name:
            if not known:
                found[node.name] = Cut(node.name, node.shape[1:], tuple(one.name for one in before))
    return found


def choose(graph: Graph, module: nn.Module, name: str | None) -> Cut:
    """The cut of this name; by default the one with the smallest output of those behind half of the operations.

    Two layers or more learn behind a default cut where that is possible.

    Raises:
        LbtError: no module has this name, other values flow past it, or the network has no such module.
    """
    modules = dict(module.named_modules())
    found = {key: one for key, one in cuts(graph).items() if key in modules}
    if name is not None:
        if name not in found:
            raise unknown("layer through which everything flows", name, found, where="cut")
        return found[name]
    if not found:
        raise LbtError("cut: the network has no module through whose output everything flows; take the method replay")
    total = sum(_work(graph, one) for one in (node.name for node in graph.nodes))
    late = [one for one in found.values() if sum(_work(graph, n) for n in one.front) >= SHARE * total]
    products = sum(node.kind in PRODUCTS for node in graph.nodes)
    two = [one for one in late if products - sum(_is_product(graph, n) for n in one.front) >= 2]
    return min(two or late or [list(found.values())[-1]], key=lambda one: prod(one.shape))


def _work(graph: Graph, name: str) -> int:
    """Multiply–accumulates of an image in a product, 0 in other nodes."""
    return sum(node.weights * node.pixels_out for node in graph.nodes if node.name == name and node.kind in PRODUCTS)


def _is_product(graph: Graph, name: str) -> bool:
    return any(node.name == name and node.kind in PRODUCTS for node in graph.nodes)


@contextlib.contextmanager
def tapped(module: nn.Module) -> Iterator[list[Tensor]]:
    """Within this context the list receives the outputs of ``module``, detached."""
    seen: list[Tensor] = []
    hook = module.register_forward_hook(lambda _module, _inputs, output: seen.append(output.detach().clone()))
    try:
        yield seen
    finally:
        hook.remove()


@contextlib.contextmanager
def joined(module: nn.Module, stored: Tensor) -> Iterator[None]:
    """Within this context ``stored`` (M, …) joins the output (B, …) of ``module``; what follows sees B + M examples."""
    hook = module.register_forward_hook(partial(_join, stored))
    try:
        yield
    finally:
        hook.remove()


def _join(stored: Tensor, _module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
    layout = torch.preserve_format
    if output.dim() == 4 and output.is_contiguous(memory_format=torch.channels_last):
        layout = torch.channels_last
    return torch.cat([output.detach(), stored]).contiguous(
        memory_format=layout if layout != torch.preserve_format else torch.contiguous_format
    )
