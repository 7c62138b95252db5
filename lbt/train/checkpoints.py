"""Checkpoints of a running job: safetensors for tensors, JSON for the rest, in one file that is replaced atomically.

A digest over both tells an altered file from a whole one.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lbt.artifacts import read_tensors, write_tensors
from lbt.errors import LbtError


def save(path: Path, state: Any) -> None:
    """Write any nesting of dicts (string or int keys), lists, tensors, numbers, strings, booleans and None."""
    tensors: dict[str, Tensor] = {}
    skeleton = _flatten(state, tensors)
    write_tensors(path, tensors, {"state": skeleton, "digest": _digest(skeleton, tensors)})


def load(path: Path) -> Any:
    """The state that :func:`save` was given.

    Raises:
        LbtError: the file is not one that :func:`save` wrote, or was altered since.
    """
    tensors, extra = read_tensors(path)
    if extra.get("digest") != _digest(extra.get("state"), tensors):
        raise LbtError(f"{path}: not a checkpoint, or altered: its digest is not that of its content")
    return _restore(extra["state"], tensors)


def _digest(skeleton: Any, tensors: dict[str, Tensor]) -> str:
    total = hashlib.sha256(json.dumps(skeleton, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _flatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = f"{len(tensors):06d}"
        tensors[name] = value.detach().clone()  # safetensors refuses tensors that share memory
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _flatten(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_flatten(item, tensors) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"plain": value}
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def _restore(node: Any, tensors: dict[str, Tensor]) -> Any:
    ((kind, value),) = node.items()
    match kind:
        case "tensor":
            return torch.empty_like(tensors[value]).copy_(tensors[value])
        case "dict":
            return {key: _restore(item, tensors) for key, item in value}
        case "list":
            return [_restore(item, tensors) for item in value]
        case "tuple":
            return tuple(_restore(item, tensors) for item in value)
        case _:
            return value
