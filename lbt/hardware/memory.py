"""Memory of a training step: what is stored for good, and the peak of what lives between forward and backward.

A value is kept from the forward to the backward pass if some consumer's backward pass reads it: the input of a product
(for the weight gradient), what the norm says it saves, one bit per element of a ReLU, the winner's index of a max
pooling. The walk goes forward through the nodes and back, and takes the maximum of what is alive.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil, log2

from lbt.hardware.masks import Channels
from lbt.hardware.ops import OPTIMIZER_STATES, parameters, variant
from lbt.hardware.precision import Precision
from lbt.hardware.trace import PRODUCTS, Graph, Node
from lbt.nn import norms


@dataclass(frozen=True)
class Storage:
    """Bytes that a training device must hold.

    Attributes:
        weights: the weights that the products read.
        master: master weights, where the update keeps them in another format.
        gradients: weight gradients.
        optimizer: momentum (and second moment).
        statistics: running statistics of the norms.
        teacher: a second network for self-ensembling.
        data: the user's images.
        activations: peak of activations and errors during one step.
    """

    weights: float
    master: float
    gradients: float
    optimizer: float
    statistics: float
    teacher: float
    data: float
    activations: float

    @property
    def total(self) -> float:
        """All of it."""
        return sum(asdict(self).values())


def storage(
    graph: Graph,
    precision: Precision,
    kept: Channels,
    *,
    batch: int,
    training: bool = True,
    teacher: bool = False,
    images: int = 0,
) -> Storage:
    """Bytes to store.

    Args:
        graph: the traced model.
        precision: numbers of each role.
        kept: live channels.
        batch: images per step.
        training: otherwise only weights, statistics, activations of inference and data are counted.
        teacher: a second copy of the weights and statistics is held.
        images: how many of the user's images are held, at 8 bits per value.
    """
    weights = master = gradients = optimizer = statistics = 0.0
    for node in graph.nodes:
        roles = precision.of(node.name)
        count = parameters(node, kept)
        weights += count * roles["W"].bits / 8
        if node.kind == "norm":
            statistics += 2 * kept.live_out(node) * 4
        if training and node.trainable:
            gradients += count * roles["G"].bits / 8
            optimizer += count * OPTIMIZER_STATES[precision.optimizer] * roles["U"].bits / 8
            master += count * precision.master.bits / 8 if precision.master != roles["W"] else 0
    first = graph.nodes[0].shapes[0] if graph.nodes else (1,)
    size = 1
    for n in first[1:]:
        size *= n
    peak = peak_activations(graph, precision, kept, batch=batch, training=training)
    second = weights + statistics if teacher else 0.0
    return Storage(weights, master, gradients, optimizer, statistics, second, float(images * size), peak)


def peak_activations(graph: Graph, precision: Precision, kept: Channels, *, batch: int, training: bool = True) -> float:
    """Largest number of bytes of activations, saved values and errors alive at one time, for ``batch`` images."""
    last_use = {value: index for index, node in enumerate(graph.nodes) for value in node.inputs}
    last_use |= dict.fromkeys(graph.results, len(graph.nodes))
    needed = graph.needs_error() if training else set()
    sizes = _sizes(graph, precision, kept, batch)
    saved_values: set[int] = set()
    saved_extra: dict[int, float] = {}
    alive = {graph.source}
    peak = 0.0
    for index, node in enumerate(graph.nodes):
        alive.add(node.output)
        if node.output in needed:
            keeps_input, extra = _saved(node, precision, kept, batch)
            saved_extra[index] = extra
            if keeps_input:
                saved_values |= set(node.inputs)
        peak = max(peak, sum(sizes[v] for v in alive | saved_values) + sum(saved_extra.values()))
        alive -= {v for v in alive if last_use.get(v, -1) <= index}
    if not training:
        return peak
    first_use: dict[int, int] = {}
    for index, node in enumerate(graph.nodes):
        if node.output in needed and _saved(node, precision, kept, batch)[0]:
            for value in node.inputs:
                first_use.setdefault(value, index)
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
    return peak


def _saved(node: Node, precision: Precision, kept: Channels, batch: int) -> tuple[bool, float]:
    """Whether the backward pass reads the node's inputs, and the bytes of anything else that it keeps."""
    outputs = batch * kept.elements_out(node)
    if node.kind in PRODUCTS:
        return node.trainable, 0.0
    if node.kind == "norm":
        cost = norms.cost(variant(node, precision))
        return cost.saved_per_element > 0, cost.saved_per_channel * kept.live_out(node) * 4
    if node.kind == "relu":
        return False, outputs / 8
    if node.kind == "max_pool":
        return False, outputs * ceil(log2(max(2, node.window))) / 8
    return node.kind in ("mul", "unknown"), 0.0


def _sizes(graph: Graph, precision: Precision, kept: Channels, batch: int) -> dict[int, float]:
    """Bytes of each value as an activation."""
    sizes: dict[int, float] = {}
    for node in graph.nodes:
        bits = precision.of(node.name)["A"].bits
        for index, value in enumerate(node.inputs):
            sizes.setdefault(value, batch * kept.elements(node, index) * bits / 8)
        sizes[node.output] = batch * kept.elements_out(node) * bits / 8
    sizes.setdefault(graph.source, 0.0)
    return sizes


def _error_bytes(graph: Graph, value: int, sizes: dict[int, float], precision: Precision) -> float:
    return sizes[value] * precision["E"].bits / precision["A"].bits
