"""Low rank: an adapter on each layer but the last (:mod:`lbt.edge.users.low_rank`); the last, norms, biases move.

LoRA (arXiv 2106.09685) with a head that is trained whole, as in transfer to other classes; the head is a small part.
"""

from __future__ import annotations

from typing import Any

from lbt.edge.users.trains import Scene


def choose(scene: Scene) -> set[str]:
    """Put an adapter of rank ``scene.rank`` on each layer but the last; the names of what moves."""
    from torch import nn
    from torch.nn.utils import parametrize

    from lbt.edge.users.low_rank import LowRank

    kinds = (nn.Conv1d, nn.Conv2d, nn.Linear)
    layers = [(name, module) for name, module in scene.network.named_modules() if isinstance(module, kinds)]
    for name, module in layers[:-1]:
        weight: Any = module.weight
        rank = min(scene.rank, len(weight), weight[0].numel())
        parametrize.register_parametrization(module, "weight", LowRank(weight.detach(), rank, name, scene.seed))
    whole = f"{layers[-1][0]}.weight"
    adapted = scene.network.named_parameters()
    return {name for name, p in adapted if p.dim() == 1 or name.endswith((".0.u", ".0.v")) or name == whole}
