"""Balanced: class-balancing reservoir sampling (Chrysakis & Moens 2020, algorithm 1).

A class that was never the largest takes the place of a random example of the largest one. Of the others each keeps a
reservoir of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbt.edge.incremental.policies import State, one_of

if TYPE_CHECKING:
    import torch


def place(state: State, label: int, random: torch.Generator) -> int | None:
    """A slot of the largest class, or, for a class that was the largest once, one of the class's own."""
    counts = state.labels.long().bincount(minlength=len(state.offered))
    largest = counts == counts.max()
    state.large[largest] = True
    if not state.large[label]:
        victims = largest[state.labels.long()].nonzero().flatten()
        return int(victims[one_of(len(victims), random)])
    slot = one_of(int(state.offered[label]), random)
    mine = (state.labels == label).nonzero().flatten()
    return int(mine[slot]) if slot < len(mine) else None
