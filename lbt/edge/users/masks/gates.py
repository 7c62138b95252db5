"""Learned gates: a factor on each channel, trained while all weights stand still, and pressed towards zero.

L = cross-entropy + λ · mean |g|

Network slimming (Liu et al. 2017, arXiv 1708.06519) does this to the norms' scales.

Gates start at 1 and are trained by Adam; score(c) = |g_c|.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbt.edge.users.masks import Evidence

if TYPE_CHECKING:
    from torch import Tensor

STEPS, BATCH, RATE, SPARSITY = 40, 32, 0.05, 0.1
"""Steps, images a step, learning rate, λ."""


def scores(evidence: Evidence) -> dict[str, Tensor]:
    """|g| of each channel, (c,) by layer."""
    import torch
    import torch.nn.functional as F

    from lbt.edge.users.gates import gated
    from lbt.nn.optim import plain
    from lbt.train.batches import indices

    made = {name: torch.ones(group.width, requires_grad=True) for name, group in evidence.groups.items()}
    if not made:
        return {}
    trainer = plain.Adam(list(made.values()), lr=RATE)
    with gated(evidence.network, evidence.groups, lambda name, _: made[name]):
        for step in range(STEPS):
            chosen = indices(len(evidence.images), BATCH, evidence.seed, "gates", step)
            loss = F.cross_entropy(evidence.network(evidence.images[chosen]), evidence.targets[chosen])
            loss = loss + SPARSITY * torch.cat(list(made.values())).abs().mean()
            trainer.zero_grad()
            gradients = torch.autograd.grad(loss, list(made.values()))
            for gate, gradient in zip(made.values(), gradients, strict=True):
                gate.grad = gradient
            trainer.step()
    return {name: gate.detach().abs() for name, gate in made.items()}
