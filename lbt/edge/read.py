"""Reading the network of an edge job back."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch

from lbt.artifacts import read_tensors
from lbt.errors import LbtError, told
from lbt.models import architecture_in, build, load_weights
from lbt.models._network import Network
from lbt.nn import quantize


def read_deployed(path: str | Path) -> Network:
    """The quantized network that the edge stage wrote, in evaluation mode.

    Raises:
        LbtError: the file is damaged or is not one of the edge stage's.
    """
    tensors, extra = read_tensors(path)
    architecture = architecture_in(path, extra)
    if not isinstance(extra.get("recipe"), str) or "stream" not in extra:
        raise LbtError(f"{path}: not a network of the edge stage: header: recipe {told(extra.get('recipe'))}")
    network = quantize(build(architecture.model, len(architecture.classes), architecture.channels), extra["recipe"])
    load_weights(path, network, tensors, architecture.model)
    return cast("Network", network.to(memory_format=torch.channels_last).eval())  # type: ignore[call-overload]
