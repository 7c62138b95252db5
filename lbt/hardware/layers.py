"""Layers of an inference as a processor runs them, one after another, with the shapes that its time depends on."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from lbt.hardware.trace import PRODUCTS, Graph, Node

Kind = Literal["conv", "depthwise", "dense", "pool", "add", "multiply", "activation", "copy", "other"]
ACTIVATIONS = {
    "relu": "relu", "hardtanh": "relu", "relu6": "relu", "sigmoid": "sigmoid", "hardsigmoid": "hardsigmoid",
    "hardswish": "hardswish", "silu": "swish", "tanh": "tanh", "gelu": "gelu", "elu": "elu", "softplus": "softplus",
    "leaky_relu": "leaky_relu", "softmax": "softmax", "_softmax": "softmax",
}  # fmt: skip
"""Labels of traced operations → the name of the activation."""


@dataclass(frozen=True)
class Layer:
    """One layer for one image.

    Attributes:
        name: of the layer.
        kind: ``conv`` (``dense`` where there is a single position), ``depthwise``, ``pool``, ``add``, ``multiply``,
            ``activation``, ``copy``, or ``other``, which has no rule.
        inputs, outputs: channels.
        height, width: of the output map.
        kernel: positions of the kernel or the window, such as 9.
        taps: kernel width (square kernels).
        groups: of a convolution that is not depthwise.
        weights: bytes in int8, biases left out.
        read, written: bytes of maps that go in and out, in int8.
        activation: name of an activation that is a layer of its own.
    """

    name: str
    kind: Kind
    inputs: int
    outputs: int
    height: int
    width: int
    kernel: int = 1
    taps: int = 1
    groups: int = 1
    weights: int = 0
    read: int = 0
    written: int = 0
    activation: str = ""

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        each = 1 if self.kind == "depthwise" else self.inputs // self.groups
        return self.kernel * each * self.outputs * self.height * self.width if self.weights else 0


def convolution(
    name: str, inputs: int, outputs: int, height: int, width: int, taps: int, *, groups: int = 1, stride: int = 1
) -> Layer:
    """A convolution with ``taps`` × ``taps`` kernels; a dense layer has one position."""
    weights = taps * taps * (inputs // groups) * outputs
    read = inputs * height * width * stride * stride
    return _product(name, inputs, outputs, height, width, taps * taps, groups, weights, read, outputs * height * width)


def _product(
    name: str, inputs: int, outputs: int, height: int, width: int, kernel: int, groups: int, weights: int, read: int,
    written: int,
) -> Layer:  # fmt: skip
    """A layer that multiplies by weights: depthwise, dense, or another convolution."""
    depthwise = groups == inputs and groups > 1
    kind: Kind = "depthwise" if depthwise else "dense" if height * width == 1 and kernel == 1 else "conv"
    taps = max(1, round(kernel**0.5))
    return Layer(name, kind, inputs, outputs, height, width, kernel, taps, 1 if depthwise else groups, weights, read,
                 written)  # fmt: skip


def pooling(name: str, channels: int, height: int, width: int, window: int) -> Layer:
    """A pooling of ``window`` positions each."""
    size = channels * height * width
    return Layer(name, "pool", channels, channels, height, width, window, read=size * window, written=size)


def elementwise(name: str, kind: Literal["add", "multiply"], channels: int, height: int, width: int) -> Layer:
    """A sum of two maps, or a map times a number for each channel."""
    size = channels * height * width
    read = 2 * size if kind == "add" else size + channels
    return Layer(name, kind, channels, channels, height, width, read=read, written=size)


def layers_of(graph: Graph) -> list[Layer]:
    """The layers of a traced model; batch norms, ReLUs and views are part of what they follow."""
    found = (_layer(node) for node in graph.nodes)
    return [layer for layer in found if layer is not None]


def _layer(node: Node) -> Layer | None:
    if node.kind in ("view", "identity", "relu", "norm"):
        return None
    shape = node.shape if len(node.shape) == 4 else (1, node.shape[-1], 1, prod(node.shape[1:-1]) or 1)
    channels, height, width = shape[1], shape[2], shape[3]
    read, written = sum(prod(one) for one in node.shapes), prod(node.shape)
    if node.kind in PRODUCTS:
        return _product(node.name, node.c_in, node.c_out, height, width, node.taps, node.groups, node.weights, read,
                        written)  # fmt: skip
    name = node.label.strip("_").lower()
    activation = ACTIVATIONS.get(name, "") if node.kind in ("curve", "softmax", "unknown") else ""
    kinds: dict[str, Kind] = {"max_pool": "pool", "avg_pool": "pool", "add": "add", "mul": "multiply", "cat": "copy"}
    kind = "activation" if activation else kinds.get(node.kind, "other")
    return Layer(node.name, kind, node.shapes[0][1] if len(node.shapes[0]) > 1 else channels, channels, height, width,
                 node.window, read=read, written=written, activation=activation)  # fmt: skip
