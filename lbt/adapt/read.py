"""Reading an adapted network back."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from lbt.artifacts import read_tensors
from lbt.errors import LbtError, told
from lbt.models import architecture_in, build, load_weights
from lbt.nn import quantize, separate_statistics


def read_adapted(path: str | Path) -> nn.Module:
    """The quantized network that the adapt stage wrote, in evaluation mode; ``lbt.nn.domain`` chooses statistics.

    Raises:
        LbtError: the file is damaged or is not one of the adapt stage's.
    """
    tensors, extra = read_tensors(path)
    missing = {"model", "classes", "channels", "size", "recipe", "domains"} - set(extra)
    if missing:
        raise LbtError(f"{path}: not an adapted network: its header has no {', '.join(sorted(missing))}")
    architecture = architecture_in(path, extra)
    recipe, domains = extra["recipe"], extra["domains"]
    if not isinstance(recipe, str):
        raise LbtError(f"{path}: header: recipe: found {told(recipe)}; accepted: the name or path of a recipe")
    if not isinstance(domains, list) or not domains or not all(isinstance(name, str) and name for name in domains):
        raise LbtError(f"{path}: header: domains: found {told(domains)}; accepted: a list of names")
    network = quantize(build(architecture.model, len(architecture.classes), architecture.channels), recipe)
    separate_statistics(network, domains)
    load_weights(path, network, tensors, architecture.model)
    return network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload, no-any-return]
