"""Checkpoints of a running job: safetensors for tensors, JSON for the rest, in one file that is replaced atomically.

A digest over both tells an altered file from a whole one.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor

from lbt.artifacts import read_tensors, sha256, write_tensors
from lbt.distributed import world
from lbt.errors import LbtError, warn


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


def identity(params: BaseModel, **files: Path) -> dict[str, str]:
    """Identity of a job: its params, the files that it reads, and the library whose kernels it runs."""
    return {"params": params.model_dump_json(), "torch": torch.__version__, **{n: sha256(p) for n, p in files.items()}}


def resume(
    path: Path | None, of: dict[str, str], snapshot: Callable[[], Any], restore: Callable[[Any], None]
) -> dict[str, Any] | None:
    """Put the checkpoint of a killed job back.

    A damaged scratch file must not stop its job for ever: one that cannot be used is left aside with a warning, and the
    job starts from the beginning.

    Args:
        path: where the job saves ``{"identity": …, "job": snapshot(), …}``. None: it saves nothing.
        of: the job's :func:`identity`.
        snapshot: the job's state, as :func:`save` takes it.
        restore: puts a snapshot back.

    Returns:
        What was saved; None where there is no checkpoint, or none of this job that can be used.
    """
    if path is None or not path.is_file():
        return None
    fresh = copy.deepcopy(snapshot())
    try:
        state = load(path)
        if state["identity"] != of:
            return None
        restore(state["job"])
        found: dict[str, Any] = state
        return found
    except Exception as error:  # whatever a damaged file, or one of other code, makes of it
        restore(fresh)
        if world().rank == 0:
            warn(f"{path}: checkpoint ignored, the job starts from the beginning: {type(error).__name__}: {error}")
        return None


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
