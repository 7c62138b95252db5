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
    found, made = {}, set(graph.sources)
    for number, node in enumerate(graph.nodes):
        made.add(node.output)
        after = graph.nodes[number + 1 :]
        crossing = {value for one in after for value in one.inputs} & made
        if crossing == {node.output} and any(one.kind in PRODUCTS for one in after):
            names = tuple(one.name for one in graph.nodes[: number + 1])
            found[node.name] = Cut(node.name, node.shape[1:], names)
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
    work = {node.name: node.weights * node.pixels_out for node in graph.nodes if node.kind in PRODUCTS}
    late = [one for one in found.values() if sum(work.get(n, 0) for n in one.front) >= SHARE * sum(work.values())]
    two = [one for one in late if len(work.keys() - set(one.front)) >= 2]
    return min(two or late or [list(found.values())[-1]], key=lambda one: prod(one.shape))


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
    made = torch.cat([output.detach(), stored])
    channels_last = output.dim() == 4 and output.is_contiguous(memory_format=torch.channels_last)
    return made.contiguous(memory_format=torch.channels_last) if channels_last else made
