"""Fitted predictors as tensors and facts, the form in which they can be kept without a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

State = tuple[dict[str, Tensor], dict[str, Any]]
"""Named tensors, and facts that JSON can hold; both exact, so that what they make is equal to the last bit."""


def under(name: str, tensors: Mapping[str, Tensor | np.ndarray]) -> dict[str, Tensor]:
    """The same tensors with ``name.`` in front of their names."""
    return {f"{name}.{key}": torch.as_tensor(value) for key, value in tensors.items()}


def below(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that :func:`under` has put below ``name``."""
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}


def arrays(name: str, tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """:func:`below` as arrays."""
    return {key: value.numpy() for key, value in below(name, tensors).items()}
