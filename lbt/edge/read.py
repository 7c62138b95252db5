"""Reading quantized networks back: of an edge job, and backbones of users."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from lbt.artifacts import read_tensors
from lbt.errors import LbtError, told
from lbt.models import Architecture, architecture_in, build, load_weights
from lbt.models._network import Network
from lbt.nn import quantize


def read_deployed(path: str | Path) -> Network:
    """The quantized network that the edge stage wrote, in evaluation mode.

    Raises:
        LbtError: the file is damaged or is not one of the edge stage's.
    """
    network, _, _ = _read(path, "stream", "network of the edge stage")
    return network


def read_backbone(path: str | Path) -> tuple[Network, Architecture, Tensor | None, str]:
    """The backbone that ``lbt personalise`` wrote, in evaluation mode, for packages to be applied to.

    Returns:
        The network; its architecture; (D,) the mean feature of the images that it learnt from, None where it is not
        known; the name of its recipe.

    Raises:
        LbtError: the file is damaged or is no such backbone.
    """
    network, architecture, extra = _read(path, "users", "backbone of lbt personalise")
    held = extra["users"]
    if not isinstance(held, list) or not all(isinstance(value, float) for value in held):
        raise LbtError(f"{path}: header: users: found {told(held)}; accepted: a list of numbers")
    return network, architecture, torch.tensor(held) if held else None, extra["recipe"]


def _read(path: str | Path, key: str, kind: str) -> tuple[Network, Architecture, dict[str, Any]]:
    tensors, extra = read_tensors(path)
    architecture = architecture_in(path, extra)
    if not isinstance(extra.get("recipe"), str) or key not in extra:
        raise LbtError(f"{path}: not a {kind}: header: recipe {told(extra.get('recipe'))}")
    network = quantize(build(architecture.model, len(architecture.classes), architecture.channels), extra["recipe"])
    load_weights(path, network, tensors, architecture.model)
    network = network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return cast("Network", network), architecture, extra
