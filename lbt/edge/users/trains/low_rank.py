"""Low rank: each layer's weight gets an adapter of small factors (:mod:`lbt.edge.users.low_rank`); nothing else moves."""

from __future__ import annotations

from typing import Any

from lbt.edge.users.trains import Scene

MOST_ROUNDS = 1
"""Masks come in one round: an adapter that was begun on other channels could not go on."""


def choose(scene: Scene) -> set[str]:
    """Put an adapter of rank ``scene.rank`` on each convolution and linear layer; the names of the factors."""
    from torch import nn
    from torch.nn.utils import parametrize

    from lbt.edge.users.low_rank import LowRank

    for name, module in list(scene.network.named_modules()):
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            weight: Any = module.weight
            rank = min(scene.rank, len(weight), weight[0].numel())
            parametrize.register_parametrization(module, "weight", LowRank(weight.detach(), rank, name, scene.seed))
    return {name for name in scene.names() if name.rpartition(".")[2] in ("u", "v")}
