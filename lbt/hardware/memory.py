"""Bytes that a training keeps on its device: one account, for the hardware stage and for every adaptation method.

Counted, not measured. Weights, errors, gradients, optimizer state and activations take the bits of the recipe; images 8
bits a value; running statistics and the average of a network's weights are float32.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod

from lbt.hardware.lifetimes import activations
from lbt.hardware.masks import Channels
from lbt.hardware.ops import parameters
from lbt.hardware.precision import FLOAT32, Number, Precision
from lbt.hardware.trace import Graph


@dataclass(frozen=True)
class Storage:
    """Bytes by purpose.

    Attributes:
        source_data, target_data: images of the source domain and of the user.
        predictions: class probabilities of the user's images, from which class frequencies are estimated.
        second_network: weights and running statistics of further networks, with their average or master weights.
        weights: the weights that the products read.
        master: master weights, where the update keeps them in another format.
        gradients: weight gradients.
        optimizer: momentum (and second moment).
        statistics: running statistics of the norms.
        activations: peak of activations and errors during one step.
    """

    source_data: float
    target_data: float
    predictions: float
    second_network: float
    weights: float
    master: float
    gradients: float
    optimizer: float
    statistics: float
    activations: float

    @property
    def total(self) -> float:
        """All of it."""
        return sum(asdict(self).values())


@dataclass(frozen=True)
class Another:
    """A network beside the one that is deployed.

    Attributes:
        weights: number of its parameters.
        channels: channels of its norms, each with two running statistics per domain.
        trained: an optimizer updates it.
        averaged: its weights are a moving average, kept in float32 beside the weights that its products read.
    """

    weights: int
    channels: int = 0
    trained: bool = False
    averaged: bool = False


@dataclass(frozen=True)
class Kept:
    """Data and networks that a way of training keeps on the device beside the network itself.

    Attributes:
        source_images, target_images: number of images of each domain.
        predictions: number of class probabilities that are kept, in float32.
        networks: further networks.
        domains: sets of running statistics that each network keeps.
        batches_in_flight: batches whose activations wait for backward at the same time; 0: no backward pass.
        moments: values that the optimizer keeps per weight.
    """

    source_images: int = 0
    target_images: int = 0
    predictions: int = 0
    networks: tuple[Another, ...] = ()
    domains: int = 1
    batches_in_flight: int = 1
    moments: int = 1


def twin(graph: Graph, live: Channels, averaged: bool = True) -> Another:
    """A second network of the same architecture, such as the teacher of self-ensembling."""
    return Another(sum(parameters(node, live) for node in graph.nodes), norm_channels(graph, live), averaged=averaged)


def norm_channels(graph: Graph, live: Channels) -> int:
    """Channels of all norms."""
    return sum(live.live_out(node) for node in graph.nodes if node.kind == "norm")


def storage(graph: Graph, precision: Precision, live: Channels, *, batch: int, kept: Kept) -> Storage:
    """Bytes that the training of a network keeps.

    Args:
        graph: the traced network; its nodes say which of their weights are trained.
        precision: numbers of each role.
        live: channels that the masks leave.
        batch: images of a step; 0: no step is made.
        kept: everything beside the network.
    """
    weights = master = gradients = optimizer = 0.0
    for node in graph.nodes:
        roles, count = precision.of(node.name), parameters(node, live)
        weights += _bytes(count, roles["W"])
        if kept.batches_in_flight and node.trainable:
            gradients += _bytes(count, roles["G"])
            optimizer += _bytes(count * kept.moments, roles["U"])
            master += _copy(count, roles["W"], precision.master)
    trained = sum(other.weights for other in kept.networks if other.trained)
    image = prod(graph.nodes[0].shapes[0][1:]) if graph.nodes else 0
    return Storage(
        source_data=float(kept.source_images * image),
        target_data=float(kept.target_images * image),
        predictions=4.0 * kept.predictions,
        second_network=sum(_network(other, precision, kept.domains) for other in kept.networks),
        weights=weights,
        master=master,
        gradients=gradients + _bytes(trained, precision["G"]),
        optimizer=optimizer + _bytes(trained * kept.moments, precision["U"]),
        statistics=_statistics(norm_channels(graph, live), kept.domains),
        activations=_step(graph, precision, live, batch, kept.batches_in_flight),
    )


def _step(graph: Graph, precision: Precision, live: Channels, batch: int, batches_in_flight: int) -> float:
    """Peak of a step: one batch goes forward and backward while the others' saved values wait."""
    one = activations(graph, precision, live, batch=batch, training=batches_in_flight > 0)
    return one.peak + max(0, batches_in_flight - 1) * one.saved


def _network(other: Another, precision: Precision, domains: int) -> float:
    read = precision["W"]
    own = _bytes(other.weights, read) + _statistics(other.channels, domains)
    own += _copy(other.weights, read, precision.master) if other.trained else 0.0
    return own + (_copy(other.weights, read, FLOAT32) if other.averaged else 0.0)


def _statistics(channels: int, domains: int) -> float:
    return 2 * domains * _bytes(channels, FLOAT32)


def _copy(count: int, read: Number, other: Number) -> float:
    """Bytes of ``count`` numbers in the format ``other``; 0 where the format ``read`` is the same one."""
    return 0.0 if read.holds(other) else _bytes(count, other)


def _bytes(count: int, number: Number) -> float:
    return count * number.bits / 8
