"""Personal channel masks: which channels of each value are still alive, and what a product can skip.

A mask names output channels of a layer that are kept. A pruned channel is exactly zero after its layer, so its weights
are not multiplied, the layers that read it skip that input channel, and norms and activations have less to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from lbt.errors import LbtError, unknown
from lbt.hardware.trace import PRODUCTS, Graph, Node

Mask = np.ndarray


@dataclass(frozen=True)
class Channels:
    """Live channels by value (a bool array over the channel axis)."""

    values: Mapping[int, Mask]

    def mask_in(self, node: Node) -> Mask:
        """Live input channels of a node as a mask over its own channel axis."""
        return _fit(self.values[node.inputs[0]], _width(node, node.shapes[0]))

    def mask_out(self, node: Node) -> Mask:
        """Live output channels of a node as a mask."""
        return self.values[node.output]

    def live_in(self, node: Node) -> int:
        """Live input channels of a node."""
        return int(self.mask_in(node).sum())

    def live_out(self, node: Node) -> int:
        """Live output channels of a node."""
        return int(self.mask_out(node).sum())

    def elements(self, node: Node, index: int) -> int:
        """Live elements per image of the input number ``index``."""
        return _live_elements(node.shapes[index], self.values[node.inputs[index]])

    def elements_out(self, node: Node) -> int:
        """Live elements per image of the output."""
        return _live_elements(node.shape, self.values[node.output])


def channels(graph: Graph, masks: Mapping[str, object]) -> Channels:
    """Carry ``masks`` through the graph.

    Args:
        graph: from :func:`lbt.hardware.trace.trace`.
        masks: by layer (a convolution, a linear layer or a norm), a sequence of c_out booleans or 0/1; True keeps.

    Raises:
        LbtError: a layer that does not exist or has no channels to prune, or a mask of the wrong length.
    """
    maskable = {node.name: node for node in graph.nodes if node.kind in (*PRODUCTS, "norm")}
    for name in masks:
        if name not in maskable:
            raise unknown("layer", name, maskable, where="mask")
    live: dict[int, Mask] = {}
    for node in graph.nodes:
        for value, shape in zip(node.inputs, node.shapes, strict=True):
            live.setdefault(value, np.ones(_width(node, shape), bool))
        live[node.output] = _through(node, live)
        if node.name in masks:
            live[node.output] = live[node.output] & _checked(node, masks[node.name])
    return Channels(live)


def _through(node: Node, live: Mapping[int, Mask]) -> Mask:
    """Live output channels of a node without a mask of its own."""
    width = node.c_out if len(node.shape) > 1 else 1
    inputs = [_fit(live[v], _width(node, s)) for v, s in zip(node.inputs, node.shapes, strict=True)]
    if node.kind == "cat":
        joined = np.concatenate(inputs)
        return joined if len(joined) == width else np.ones(width, bool)
    if node.kind in PRODUCTS:
        if node.groups == node.c_in == width:  # depthwise: a dead input channel is a dead output channel
            return inputs[0].copy()
        return np.ones(width, bool)
    if node.kind == "pair":
        return np.ones(width, bool)
    if node.kind in ("add", "mul"):
        same = [mask for mask in inputs if len(mask) == width]
        alive = np.logical_or if node.kind == "add" else np.logical_and
        return alive.reduce(same) if same else np.ones(width, bool)
    return _fit(inputs[0], width).copy()


def _fit(mask: Mask, width: int) -> Mask:
    """A mask over another channel axis: flattening repeats each channel over its positions."""
    if len(mask) == width:
        return mask
    whole = len(mask) > 0 and width % len(mask) == 0
    return np.repeat(mask, width // len(mask)) if whole else np.ones(width, bool)


def _width(node: Node, shape: tuple[int, ...]) -> int:
    axis = -1 if node.kind == "linear" else 1
    return shape[axis] if len(shape) > 1 else 1


def _checked(node: Node, mask: object) -> Mask:
    array = np.asarray(mask)
    if array.shape != (node.c_out,) or not np.isin(array, (0, 1)).all():
        raise LbtError(
            f"mask: layer {node.name!r}: found shape {array.shape}; accepted: {node.c_out} values that are 0 or 1"
        )
    return array.astype(bool)


def _live_elements(shape: tuple[int, ...], mask: Mask) -> int:
    count = prod(shape[1:])
    return count * int(mask.sum()) // max(1, len(mask))
