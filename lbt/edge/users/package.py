"""A user's package: what distinguishes a personal network from the backbone that all users share.

It holds the masks of channels (a bit each), the tensors that differ (weights as codes of the recipe, norms, biases
and statistics in float16; of channels that are kept only; see :mod:`lbt.edge.users.values`) and the SHA-256 of the
backbone. The file is safetensors, written whole or not at all, and carries a digest of its content. No pickle, no
code.

A :class:`Resident` keeps the backbone in memory and gives each user's network, which shares every tensor that the
package leaves alone. The backbone itself never changes, so that taking a package off restores it exactly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from safetensors.torch import save
from torch import Tensor, nn

from lbt.artifacts import read_tensors, write_tensors
from lbt.config import Section, parse
from lbt.edge.users.low_rank import adapters, combined
from lbt.edge.users.structure import Group, Masks, Slices, compact, groups_of, slices
from lbt.edge.users.values import FLOAT, Reader, Writer, code_bits
from lbt.errors import LbtError
from lbt.hardware.trace import trace
from lbt.nn import set_step
from lbt.numerics.spec import RoleSpec

Entry = list[int]
"""A tensor that differs: its number in the backbone's state, its rank (0: stored whole), then bits and number of scales
of the values, or of either factor."""


class Header(Section):
    """Header of a package: backbone, masks, tensors that differ, notes."""

    package: Literal[1] = 1
    """Version of the layout."""
    backbone: str = Field(pattern="^[0-9a-f]{64}$")
    """SHA-256 of the backbone's state (:func:`identity`)."""
    masks: list[int]
    """Numbers of the masked layers, in the order of the blob."""
    entries: list[Entry]
    """The tensors that differ, in the order of the blobs."""
    notes: dict[str, str | int | float | None] = Field(default_factory=dict)
    """Facts for a person: recipe, method, labels."""


@dataclass(frozen=True)
class Package:
    """A package in memory.

    Attributes:
        header: what it says about itself.
        blobs: ``masks`` and ``codes`` (uint8), ``floats`` (float32).
        where: its file, for errors.
    """

    header: Header
    blobs: Mapping[str, Tensor]
    where: str = "package"

    def size(self) -> int:
        """Bytes of the file that :meth:`write` makes outside of a job of the pipeline."""
        text = json.dumps({"provenance": {}, "extra": self._extra()}, sort_keys=True)
        return len(save(dict(self.blobs), {"lbt": text}))

    def write(self, path: str | Path) -> None:
        """Write the file, whole or not at all, in place of the one that is there."""
        write_tensors(path, self.blobs, self._extra())

    def _extra(self) -> dict[str, Any]:
        return {**self.header.model_dump(), "digest": _digest(self.header, self.blobs)}


def read_package(path: str | Path) -> Package:
    """The package in a file; :meth:`Resident.apply` compares it with the backbone.

    Raises:
        LbtError: no such file, not a package, or altered since it was written.
    """
    blobs, extra = read_tensors(path)
    digest = extra.pop("digest", None)
    header = parse(Header, extra, f"{path}: not a package: header")
    kinds = {"masks": torch.uint8, "codes": torch.uint8, "floats": torch.float32}
    if {name: blob.dtype for name, blob in blobs.items()} != kinds or any(blob.dim() != 1 for blob in blobs.values()):
        raise LbtError(
            f"{path}: not a package: expected tensors {', '.join(kinds)}, found {', '.join(blobs) or 'none'}"
        )
    if digest != _digest(header, blobs):
        raise LbtError(f"{path}: altered package: its digest is not that of its content")
    return Package(header, blobs, str(path))


def _digest(header: Header, blobs: Mapping[str, Tensor]) -> str:
    total = hashlib.sha256(json.dumps(header.model_dump(), sort_keys=True).encode())
    for name in sorted(blobs):
        total.update(blobs[name].numpy().tobytes())
    return total.hexdigest()


def identity(network: nn.Module) -> str:
    """SHA-256 of the names, types, shapes and bytes of a network's state, in hexadecimal."""
    total = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


class Resident:
    """A backbone in memory, and the network of the user whose package is on.

    Args:
        backbone: a converted network (:func:`lbt.nn.quantize`), put into evaluation mode; it must not change.
        shape: of an image, (C, H, W).

    Attributes:
        network: what predicts now: the backbone, or the user's network.
        graph: the backbone as :mod:`lbt.hardware` sees it.
        groups: layers whose channels can be masked.
        identity: the backbone's SHA-256.
        half: its packages store vectors in float16.
    """

    def __init__(self, backbone: nn.Module, shape: tuple[int, ...]) -> None:
        self.backbone = self.network = backbone.eval()
        self.shape = shape
        self.graph = trace(backbone, shape)
        self.groups: dict[str, Group] = groups_of(backbone, shape, self.graph)
        self.identity = identity(backbone)
        self.state = {name: tensor for name, tensor in backbone.state_dict().items() if tensor.is_floating_point()}
        self._names, self._maskable = list(self.state), list(self.groups)
        # a recipe whose weights are codes has no need of float32 beside them
        self.half = any(code_bits(weight_spec(backbone, name)) != FLOAT for name in self.state)

    def bytes(self) -> int:
        """Bytes of the backbone as a package would store it whole: codes of its recipe, and float16."""
        writer = Writer(half=self.half)
        for name, tensor in self.state.items():
            writer.put(tensor, weight_spec(self.backbone, name), name)
        return sum(blob.numel() * blob.element_size() for blob in writer.blobs().values())

    def pack(self, network: nn.Module, masks: Masks, notes: Mapping[str, Any] | None = None) -> Package:
        """The package of ``network``, made from this backbone by :func:`compact` with ``masks``, and trained."""
        kept, writer, entries = slices(self.groups, masks), Writer(half=self.half), []
        low, state = adapters(network), network.state_dict()
        for number, (name, whole) in enumerate(self.state.items()):
            layer, _, tensor = name.rpartition(".")
            spec = weight_spec(self.backbone, name)
            if tensor == "weight" and layer in low:
                factors = (low[layer].u, low[layer].v)
                entries.append(
                    [number, len(low[layer].v), *(n for f in factors for n in writer.put(f, _whole(spec), name))]
                )
            elif not torch.equal(state[name], kept.get(name, Slices()).take(whole)):
                entries.append([number, 0, *writer.put(state[name], spec, name)])
        order = [n for n, name in enumerate(self._maskable) if name in masks]
        bits = torch.cat([torch.zeros(0, dtype=torch.bool), *(masks[self._maskable[n]] for n in order)])
        header = Header(backbone=self.identity, masks=order, entries=entries, notes=dict(notes or {}))
        return Package(header, {**writer.blobs(), "masks": _bytes(bits)})

    def apply(self, package: Package) -> nn.Module:
        """Put a package on; the user's network, smaller than the backbone, in evaluation mode. It must not be trained.

        Raises:
            LbtError: the package is another backbone's, or its content does not fit.
        """
        if package.header.backbone != self.identity:
            theirs, mine = package.header.backbone[:12], self.identity[:12]
            raise LbtError(f"{package.where}: made for the backbone {theirs}…, this one is {mine}…; personalise again")
        masks = self.masks(package)
        network = compact(self.backbone, self.groups, masks, share=True)
        self._change(network, slices(self.groups, masks), package)
        set_step(network, 0)  # its random numbers, if it has any, do not depend on what the backbone did before
        self.network = network.eval()
        return self.network

    def remove(self) -> nn.Module:
        """Take the package off; the backbone."""
        self.network = self.backbone
        return self.network

    def masks(self, package: Package) -> dict[str, Tensor]:
        """The masks in a package."""
        numbers = package.header.masks
        if any(not 0 <= n < len(self._maskable) for n in numbers) or len(set(numbers)) < len(numbers):
            raise LbtError(f"{package.where}: damaged package: masks of layers {numbers} of {len(self._maskable)}")
        widths = [self.groups[self._maskable[n]].width for n in numbers]
        stored = package.blobs["masks"]
        if len(stored) != -(-sum(widths) // 8):
            raise LbtError(f"{package.where}: damaged package: {len(stored)} bytes of masks for {sum(widths)} channels")
        bits = (stored[:, None].int() >> torch.arange(8)).bitwise_and(1).flatten()[: sum(widths)].bool()
        return dict(zip((self._maskable[n] for n in numbers), bits.split(widths), strict=True)) if numbers else {}

    def _change(self, network: nn.Module, kept: Mapping[str, Slices], package: Package) -> None:
        reader = Reader(package.blobs["floats"], package.blobs["codes"], package.where)
        for entry in package.header.entries:
            if len(entry) not in (4, 6) or not 0 <= entry[0] < len(self._names) or (len(entry) == 6) != (entry[1] > 0):
                raise LbtError(f"{package.where}: damaged package: entry {entry[:8]}")
            name, rank = self._names[entry[0]], entry[1]
            start = kept.get(name, Slices()).take(self.state[name])
            if rank:
                u = reader.take(torch.Size([len(start), rank]), *entry[2:4])
                v = reader.take(torch.Size([rank, start[0].numel()]), *entry[4:6])
                _replace(network, name, combined(start, u, v))
            else:
                _replace(network, name, reader.take(start.shape, *entry[2:4]))
        reader.finish()


def weight_spec(network: nn.Module, name: str) -> RoleSpec | None:
    """The format of W for the tensor ``name`` of a converted network's state; None if it is no product's weight."""
    layer, _, tensor = name.rpartition(".")
    roles: Any = getattr(network.get_submodule(layer), "roles", None)
    return None if roles is None or tensor != "weight" else roles.W


def _whole(spec: RoleSpec | None) -> RoleSpec | None:
    """``spec`` with one scale for the tensor: a factor's rows are not the layer's channels."""
    return None if spec is None else spec.model_copy(update={"granularity": "tensor"})


def _replace(network: nn.Module, name: str, value: Tensor) -> None:
    layer, _, tensor = name.rpartition(".")
    module = network.get_submodule(layer)
    if tensor in module._parameters:
        old = module._parameters[tensor]
        assert old is not None
        value = value.contiguous(memory_format=torch.channels_last if _last(old) else torch.contiguous_format)
        module._parameters[tensor] = nn.Parameter(value, requires_grad=False)
    else:
        module._buffers[tensor] = value


def _last(tensor: Tensor) -> bool:
    return tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)


def _bytes(bits: Tensor) -> Tensor:
    """Booleans (N,) as uint8 (⌈N/8⌉,), the first in the lowest bit."""
    padded = torch.cat([bits, bits.new_zeros(-len(bits) % 8)]).view(-1, 8).to(torch.uint8)
    return (padded << torch.arange(8, dtype=torch.uint8)).sum(1).to(torch.uint8)
