"""Channels of a network that can be masked, the masked network, and the smaller one that computes the same.

A mask names the output channels of a convolution or a linear layer that are kept. Masking channel c sets to zero its
row of the weight, its bias, its scale and offset in the norms behind it, and its column of each layer that reads it.
The compacted network has none of these: its layers are smaller, so that every product, norm and gradient costs less.

Both give the same output. With int8 products the bits are the same, since the zeros change neither a maximum range
nor an integer sum; float kernels add in another order. A range rule that looks at all values (σ, percentile, mse)
sees other ones in the smaller network."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lbt.edge.users.low_rank import adapters
from lbt.errors import LbtError, unknown
from lbt.hardware.trace import PRODUCTS, Graph, Node, trace
from lbt.nn.context import SAME_STREAM

Masks = Mapping[str, Tensor]
"""By layer, bool (c_out,): True keeps a channel."""

_PASSES = ("relu", "max_pool", "avg_pool", "identity", "view")
"""Kinds of nodes that keep channels apart and have no parameter."""


@dataclass(frozen=True)
class Group:
    """A layer whose output channels can be masked, and the layers that its mask reaches.

    Attributes:
        width: number of its output channels.
        through: norms and depthwise convolutions behind it, with the same channels.
        readers: layers that multiply its channels, each with the number of their inputs that one channel makes (more
            than 1 behind a flattening).
    """

    width: int
    through: tuple[str, ...]
    readers: tuple[tuple[str, int], ...]


def groups(graph: Graph) -> dict[str, Group]:
    """The maskable layers of a traced network, by name, in forward order.

    Left out: grouped convolutions, layers that run more than once, the last ones, and those whose channels meet another
    branch (an addition, a concatenation) or an operation without a rule before the next product.
    """
    found = {}
    repeated = {node.name.partition("#")[0] for node in graph.nodes if "#" in node.name}
    for node in graph.nodes:
        if node.kind in PRODUCTS and node.groups == 1 and node.name not in repeated:
            group = _reach(graph, node, repeated)
            if group is not None:
                found[node.name] = group
    return found


def _reach(graph: Graph, start: Node, repeated: set[str]) -> Group | None:
    through: list[str] = []
    readers: list[tuple[str, int]] = []
    waiting = [start.output]
    while waiting:
        value = waiting.pop()
        if value in graph.results:
            return None
        for node in graph.nodes:
            if value not in node.inputs:
                continue
            depthwise = node.kind == "conv" and node.groups == node.c_in == start.c_out == node.c_out
            if node.name in repeated or (node.kind == "norm" and node.c_out != start.c_out):
                return None
            if node.kind == "norm" or depthwise:
                through.append(node.name)
                waiting.append(node.output)
            elif node.kind in _PASSES:
                waiting.append(node.output)
            elif node.kind in PRODUCTS and node.groups == 1 and node.c_in % start.c_out == 0:
                readers.append((node.name, node.c_in // start.c_out))
            else:
                return None
    return Group(start.c_out, tuple(through), tuple(readers)) if readers else None


def groups_of(network: nn.Module, shape: tuple[int, ...], graph: Graph | None = None) -> dict[str, Group]:
    """:func:`groups` of a module, for images of ``shape`` (C, H, W), of the layers that are modules.

    ``graph`` is its trace, where there is one already.
    """
    modules = dict(network.named_modules())
    found = groups(graph or trace(network, shape))
    touched = {name: (name, *g.through, *(r for r, _ in g.readers)) for name, g in found.items()}
    return {name: g for name, g in found.items() if all(part in modules for part in touched[name])}


@dataclass(frozen=True)
class Slices:
    """Indices of what a tensor keeps: ``rows`` along its first dimension, ``columns`` along its second; None: all."""

    rows: Tensor | None = None
    columns: Tensor | None = None

    def take(self, tensor: Tensor) -> Tensor:
        """The part that is kept, a new tensor; ``tensor`` itself where that is everything."""
        if self.rows is not None:
            tensor = tensor.index_select(0, self.rows)
        return tensor if self.columns is None else tensor.index_select(1, self.columns)

    def put(self, tensor: Tensor, part: Tensor) -> None:
        """Write ``part`` into the places of ``tensor`` that are kept."""
        if self.rows is None and self.columns is None:
            tensor.copy_(part)
            return
        rows = torch.arange(len(tensor)) if self.rows is None else self.rows
        if self.columns is None:
            tensor[rows] = part
        else:
            tensor[rows[:, None], self.columns] = part


def slices(found: Mapping[str, Group], masks: Masks) -> dict[str, Slices]:
    """The slices that ``masks`` leave of each tensor of a state dict; a tensor that is not named stays whole.

    Raises:
        LbtError: a layer that cannot be masked, a mask of the wrong length or type, or one that keeps no channel.
    """
    made: dict[str, Slices] = {}
    for name, mask in masks.items():
        if name not in found:
            raise unknown("layer", name, found, where="mask")
        width = found[name].width
        if mask.dtype != torch.bool or mask.shape != (width,) or not mask.any():
            told = f"{mask.dtype} {tuple(mask.shape)}, {int(mask.sum())} kept"
            raise LbtError(f"mask: layer {name!r}: found {told}; accepted: {width} booleans, one or more of them true")
        kept = mask.nonzero().flatten()
        for part in (name, *found[name].through):
            for tensor in ("weight", "bias", "running_mean", "running_var"):
                made[f"{part}.{tensor}"] = Slices(kept, made.get(f"{part}.{tensor}", Slices()).columns)
        for reader, repeat in found[name].readers:
            columns = (kept[:, None] * repeat + torch.arange(repeat)).flatten()
            made[f"{reader}.weight"] = Slices(made.get(f"{reader}.weight", Slices()).rows, columns)
    return made


def _with_adapters(network: nn.Module, kept: dict[str, Slices]) -> dict[str, Slices]:
    """``kept`` under the names that a weight and its factors have where the layer has an adapter."""
    made = dict(kept)
    for layer, low in adapters(network).items():
        if (cut := kept.get(f"{layer}.weight")) is not None:
            inside = f"{layer}.parametrizations.weight"
            weight: Tensor = network.get_parameter(f"{inside}.original")
            made[f"{inside}.original"], made[f"{inside}.0.u"] = cut, Slices(cut.rows)
            if cut.columns is not None:
                taps = low.v.shape[1] // weight.shape[1]
                made[f"{inside}.0.v"] = Slices(None, (cut.columns[:, None] * taps + torch.arange(taps)).flatten())
    return made


def slices_of(network: nn.Module, found: Mapping[str, Group], masks: Masks) -> dict[str, Slices]:
    """:func:`slices` under the names of the tensors of ``network``, whose layers may have adapters."""
    return _with_adapters(network, slices(found, masks))


@torch.no_grad()
def masked(network: nn.Module, found: Mapping[str, Group], masks: Masks) -> nn.Module:
    """A copy of ``network``, of its full size, whose masked channels are exactly zero."""
    made = twin(network)
    kept = slices_of(network, found, masks)
    for name, parameter in made.named_parameters():
        if name in kept:
            part = kept[name].take(parameter).clone()
            kept[name].put(parameter.zero_(), part)
    return made


@torch.no_grad()
def compact(network: nn.Module, found: Mapping[str, Group], masks: Masks, *, share: bool = False) -> nn.Module:
    """The smaller network that computes what :func:`masked` does.

    Args:
        network: a float or a converted network; it stays as it is.
        found: its maskable layers.
        masks: channels to keep.
        share: tensors of which nothing is left out are those of ``network``; such a network must not be trained.
    """
    kept = slices_of(network, found, masks)
    made = twin(network, share=share)
    for path, module in made.named_modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if (cut := kept.get(f"{path}.{name}")) is not None:
                part = cut.take(tensor).contiguous(memory_format=_layout(tensor))
                _set(module, name, nn.Parameter(part, tensor.requires_grad) if name in module._parameters else part)
        _resize(module)
    return made


def twin(network: nn.Module, *, share: bool = False) -> nn.Module:
    """A copy that draws the same random numbers; with ``share`` its tensors are those of ``network``."""
    memo: dict[Any, Any] = {SAME_STREAM: True}
    if share:
        memo |= {id(t): t for t in (*network.parameters(), *network.buffers())}
    return copy.deepcopy(network, memo)


def _layout(tensor: Tensor) -> torch.memory_format:
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        return torch.channels_last
    return torch.contiguous_format


def _set(module: nn.Module, name: str, value: Tensor) -> None:
    (module._parameters if name in module._parameters else module._buffers)[name] = value  # type: ignore[assignment]


def _resize(module: Any) -> None:
    """Tell a module the sizes of its tensors."""
    if isinstance(module, nn.modules.conv._ConvNd):
        if module.groups > 1 and module.weight.shape[1] == 1:
            module.groups = module.weight.shape[0]
        module.out_channels, module.in_channels = module.weight.shape[0], module.weight.shape[1] * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.weight is not None:
        module.num_features = len(module.weight)


def as_lists(masks: Masks) -> dict[str, list[bool]]:
    """Masks as :mod:`lbt.hardware` takes them."""
    return {name: mask.tolist() for name, mask in masks.items()}


def work(network: nn.Module, shape: tuple[int, ...], recipe: Any, *, training: bool = False) -> int:
    """Multiply–accumulates of an image by the account of :mod:`lbt.hardware`; those of a training step with it."""
    from lbt.hardware.ops import count
    from lbt.hardware.precision import of_recipe

    graph = trace(network, shape)
    precision = of_recipe(recipe, [node.name for node in graph.nodes if node.kind in PRODUCTS])
    return sum(one.macs for one in count(graph, precision, batch=1, training=training))
