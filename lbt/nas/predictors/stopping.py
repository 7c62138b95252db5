"""Early stopping of networks that train side by side, each with held-out cells of its own."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class BestEpochs:
    """Each member's parameters at the epoch with the smallest loss on held-out cells.

    Args:
        network: its parameters and buffers have a leading member dimension.
        members: K.
        stop_by: ``all``: the sum of all members' losses decides; ``others``: the sum without the member's own.
    """

    def __init__(self, network: nn.Module, members: int, stop_by: str) -> None:
        self.network, self.stop_by = network, stop_by
        self.losses = torch.full((members,), float("inf"))
        self.state = copy.deepcopy(network.state_dict())

    def see(self, losses: Tensor) -> None:
        """Keep the parameters of the members that are better than ever; ``losses`` (K,) are the members' own."""
        judged = losses.sum().expand_as(losses) - (losses if self.stop_by == "others" else 0)
        better = judged < self.losses
        self.losses = torch.where(better, judged, self.losses)
        for name, value in self.network.state_dict().items():
            self.state[name][better] = value[better]

    def restore(self) -> None:
        """Put the kept parameters back."""
        self.network.load_state_dict(self.state)
