"""A weight that is a frozen one plus a product of two small factors (LoRA, Hu et al. 2021, arXiv 2106.09685).

W = W₀ + U·V    U: (O, r), zero at the start    V: (r, I·k²), normal with variance 1/(I·k²)

The recipe quantizes the sum, as it does any weight. W₀ never moves.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lbt.train.batches import generator


class LowRank(nn.Module):
    """The parametrization of one weight (O, …)."""

    def __init__(self, weight: Tensor, rank: int, name: str, seed: int) -> None:
        super().__init__()
        rows, columns = len(weight), weight[0].numel()
        draws = torch.empty(rank, columns).normal_(0, columns**-0.5, generator=generator(seed, "low rank", name))
        self.u, self.v = nn.Parameter(torch.zeros(rows, rank)), nn.Parameter(draws)

    def forward(self, weight: Tensor) -> Tensor:
        return combined(weight, self.u, self.v)


def combined(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """W₀ + U·V, in the shape of W₀."""
    return weight + (u @ v).view(weight.shape)


def adapters(network: nn.Module) -> dict[str, LowRank]:
    """The parametrizations in ``network``, by the name of their layer."""
    found = {}
    for name, module in network.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            found[name] = module.parametrizations["weight"][0]  # type: ignore[index]
    return found  # type: ignore[return-value]
