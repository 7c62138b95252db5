"""Evidence that quantization happened: how many distinct values the weights have that a layer computes with."""

from __future__ import annotations

import torch
from torch import nn


def weight_levels(network: nn.Module) -> int:
    """Largest number of distinct quantized weight values among the convolutions and linear layers of ``network``."""
    raise NotImplementedError
