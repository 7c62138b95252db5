"""Arguments and results of networks: tensors, tuples, dictionaries, dataclasses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from lbt.errors import LbtError

Inputs = Tensor | tuple[Any, ...] | list[Any] | Mapping[str, Any]
"""A network's arguments: one tensor, several by position, or several by name."""


def call(model: nn.Module, inputs: Inputs) -> Any:
    """``model`` on its arguments: ``model(inputs)``, ``model(*inputs)`` or ``model(**inputs)``."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, (tuple, list)) else model(inputs)


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors inside of nested tuples, lists, mappings and dataclasses, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from tensors(one)
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from tensors(one)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from tensors(getattr(value, field.name))


def output_tensor(output: Any, what: str) -> Tensor:
    """The floating-point tensor that a network's output is about: ``logits`` if something is called so, else the first.

    Raises:
        LbtError: there is none.
    """
    named = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    for tensor in tensors(output if named is None else named):
        if tensor.is_floating_point():
            return tensor
    raise LbtError(f"{what}: the model returned a {type(output).__name__} without a floating-point tensor")
