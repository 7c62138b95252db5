"""Lifetimes of activations: the peak of what lives between forward and backward, and what waits for backward.

A value is kept from the forward to the backward pass if some consumer's backward pass reads it: the input of a product
(for the weight gradient), what the norm says it saves, one bit per element of a ReLU, the winner's index of a max
pooling. The walk goes forward through the nodes and back, and takes the maximum of what is alive.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

from lbt.hardware.masks import Channels
from lbt.hardware.ops import variant
from lbt.hardware.precision import Precision
from lbt.hardware.trace import PRODUCTS, Graph, Node
from lbt.nn import norms


@dataclass(frozen=True)
class Activations:
    """Bytes of a batch's activations.

    Attributes:
        peak: largest number of bytes of activations, saved values and errors alive at one time.
        saved: bytes that wait for the backward pass when the forward pass is done.
    """

    peak: float
    saved: float


def activations(
    graph: Graph, precision: Precision, kept: Channels, *, batch: int, training: bool = True
) -> Activations:
    """Activations of a step (or of an inference) of ``batch`` images."""
    last_use = {value: index for index, node in enumerate(graph.nodes) for value in node.inputs}
    last_use |= dict.fromkeys(graph.results, len(graph.nodes))
    needed = graph.needs_error() if training else set()
    sizes = _sizes(graph, precision, kept, batch)
    saved_values: set[int] = set()
    saved_extra: dict[int, float] = {}
    first_use: dict[int, int] = {}
    alive = set(graph.sources)
    peak = 0.0
    for index, node in enumerate(graph.nodes):
        alive.add(node.output)
        if node.output in needed:
            keeps_input, saved_extra[index] = _saved(node, precision, kept, batch)
            for value in node.inputs if keeps_input else ():
                saved_values.add(value)
                first_use.setdefault(value, index)
        peak = max(peak, sum(sizes[v] for v in alive | saved_values) + sum(saved_extra.values()))
        alive -= {v for v in alive if last_use.get(v, -1) <= index}
    saved = sum(sizes[v] for v in saved_values) + sum(saved_extra.values())
    if not training:
        return Activations(peak, saved)
    errors = {v: _error_bytes(graph, v, sizes, precision) for v in sizes}
    flowing = needed.intersection(graph.results)
    for index in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[index]
        if node.output not in needed:
            continue
        flowing |= needed.intersection(node.inputs)
        now = sum(errors[v] for v in flowing) + sum(sizes[v] for v in saved_values) + sum(saved_extra.values())
        peak = max(peak, now)
        flowing.discard(node.output)
        saved_extra.pop(index, None)
        saved_values -= {v for v in saved_values if first_use.get(v, index) >= index}
    return Activations(peak, saved)


def _saved(node: Node, precision: Precision, kept: Channels, batch: int) -> tuple[bool, float]:
    """True if the backward pass reads the node's inputs, and the bytes of anything else that it keeps."""
    outputs = batch * kept.elements_out(node)
    if node.kind in PRODUCTS:
        learned = precision.of(node.name)["A"].learned
        return node.trainable, 4.0 * batch * kept.elements(node, 0) if learned else 0.0
    if node.kind == "norm":
        cost = norms.cost(variant(node, precision))
        return cost.saved_per_element > 0, cost.saved_per_channel * kept.live_out(node) * 4
    if node.kind == "relu":
        return False, outputs / 8
    if node.kind == "max_pool":
        return False, outputs * ceil(log2(max(2, node.window))) / 8
    if node.kind == "softmax":
        return False, outputs * precision.of(node.name)["A"].bits / 8
    return node.kind in ("mul", "pair", "affine", "divide", "curve", "layer_norm", "unknown"), 0.0


def _sizes(graph: Graph, precision: Precision, kept: Channels, batch: int) -> dict[int, float]:
    """Bytes of each value as an activation."""
    sizes: dict[int, float] = {}
    for node in graph.nodes:
        bits = precision.of(node.name)["A"].bits
        for index, value in enumerate(node.inputs):
            sizes.setdefault(value, batch * kept.elements(node, index) * bits / 8)
        sizes[node.output] = batch * kept.elements_out(node) * bits / 8
    return dict.fromkeys(graph.sources, 0.0) | sizes


def _error_bytes(graph: Graph, value: int, sizes: dict[int, float], precision: Precision) -> float:
    return sizes[value] * precision["E"].bits / precision["A"].bits
