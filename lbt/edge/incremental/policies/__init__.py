"""Policies of a memory, one file each: ``place(state, label, random)``, the slot of a new example, None for none.

A slot equal to the number of examples is a free one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class State:
    """A full memory, when a new example is offered.

    Attributes:
        labels: (n,) of the examples in it.
        offered: (K,) examples of each class that were offered, the new one included.
        large: bool (K,), classes that were the largest once; a policy may set entries.
    """

    labels: Tensor
    offered: Tensor
    large: Tensor


def one_of(count: int, random: torch.Generator) -> int:
    """A number from 0 to ``count`` - 1, uniform."""
    import torch

    return int(torch.randint(count, (), generator=random))
