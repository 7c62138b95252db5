"""Reading an adapted network back."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from lbt.artifacts import read_tensors
from lbt.errors import LbtError
from lbt.nn import quantize, separate_statistics
from lbt.nn.models import build


def read_adapted(path: str | Path) -> nn.Module:
    """The quantized network that the adapt stage wrote, in evaluation mode; ``lbt.nn.domain`` chooses statistics.

    Raises:
        LbtError: the file is damaged or is not one of the adapt stage's.
    """
    tensors, extra = read_tensors(path)
    missing = {"model", "classes", "channels", "recipe", "domains"} - set(extra)
    if missing:
        raise LbtError(f"{path}: not an adapted network: its header has no {', '.join(sorted(missing))}")
    network = quantize(build(extra["model"], len(extra["classes"]), extra["channels"]), extra["recipe"])
    separate_statistics(network, extra["domains"])
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise LbtError(f"{path}: weights do not fit {extra['model']}: {' '.join(str(error).split())[:200]}") from None
    return network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload, no-any-return]
