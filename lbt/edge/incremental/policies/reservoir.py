"""Reservoir: each example of the stream is kept with the same probability (Vitter 1985, algorithm R)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbt.edge.incremental.policies import State, one_of

if TYPE_CHECKING:
    import torch


def place(state: State, label: int, random: torch.Generator) -> int | None:
    """A random slot with the probability capacity/offered."""
    slot = one_of(int(state.offered.sum()), random)
    return slot if slot < len(state.labels) else None
