"""Norm statistics of one user's images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lbt.nn.norms import norm_layers

BATCH = 64
"""Images at a time, about."""


@torch.no_grad()
def estimate(network: nn.Module, images: Tensor) -> None:
    """Set each norm's statistics to their plain average over batches of ``images`` (N, C, H, W), as AdaBN does.

    The network is in evaluation mode afterwards. Norms that have no statistics of a batch keep theirs.
    """
    norms = [n for n in norm_layers(network) if not getattr(n, "needs_running", False) and n.track_running_stats]
    before = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.train()
    for number, batch in enumerate(images.chunk(max(1, round(len(images) / BATCH)))):
        for norm in norms:
            norm.momentum = 1 / (number + 1)
        network(batch)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    network.eval()
