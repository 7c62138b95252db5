"""The range of a network's input, told once.

Domains keep bytes. Every network that is pretrained, adapted or costed takes ``RANGE``, [-1, 1] (:func:`to_input`):
black is -1, white is 1. EfficientNet-Lite's published weights were trained on (byte - 127) / 128, which differs by less
than a 100th. Supernets alone take [0, 1] (:func:`lbt.data.to_float`): their scores compare architectures with each
other, never with a pretrained network. What a training step costs follows from shapes; no range plays a part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbt.artifacts import Images
from lbt.data.images import to_float

if TYPE_CHECKING:
    import numpy as np
    import torch

RANGE = (-1.0, 1.0)
"""Values of black and white in a network's input."""


def to_input(images: Images | np.ndarray, channels: int | None = None, size: int | None = None) -> torch.Tensor:
    """Pixels as a network's input: float32 (N, C, H, W) in ``RANGE``, channels_last; arguments as in ``to_float``."""
    import torch

    low, high = RANGE
    scaled = to_float(images, channels, size).mul_(high - low).add_(low)
    return scaled.contiguous(memory_format=torch.channels_last)
