"""A memory of coded examples within a budget of bytes."""

from __future__ import annotations

import torch
from torch import Tensor

from lbt.edge.incremental.options import POLICIES
from lbt.edge.incremental.policies import State
from lbt.errors import LbtError

LABEL = torch.int32
CODES, LABELS, OFFERED, LARGE = (f"memory/{name}" for name in ("codes", "labels", "offered", "large"))


class Store:
    """Codes and labels, and the counters from which a policy chooses.

    Args:
        budget: bytes of all of it; None: no bound.
        size: bytes of an example's code.
        classes: number of classes.
        policy: file of ``lbt/edge/incremental/policies``; None only without a bound.
        held: where the tensors are kept.

    Raises:
        LbtError: the budget does not hold one example.
    """

    def __init__(
        self, budget: int | None, size: int, classes: int, policy: str | None, held: dict[str, Tensor]
    ) -> None:
        self.held, self.policy = held, None if policy is None else POLICIES.load(policy)
        held[CODES] = torch.zeros(0, size, dtype=torch.uint8)
        held[LABELS] = torch.zeros(0, dtype=LABEL)
        held[OFFERED] = torch.zeros(classes, dtype=torch.int64)
        held[LARGE] = torch.zeros(classes, dtype=torch.bool)
        counters, one = classes * (torch.int64.itemsize + 1), size + LABEL.itemsize
        self.capacity = None if budget is None else (budget - counters) // one
        if self.capacity is not None and self.capacity < 1:
            least = counters + one
            raise LbtError(f"budget: found {budget:,} bytes; accepted: {least:,} or more, {one:,} bytes an example")

    def __len__(self) -> int:
        return len(self.held[LABELS])

    def offer(self, codes: Tensor, labels: Tensor, random: torch.Generator) -> None:
        """Offer examples one after another: codes uint8 (B, size), labels (B,)."""
        for code, label in zip(codes, labels.tolist(), strict=True):
            self.held[OFFERED][label] += 1
            if self.capacity is None or len(self) < self.capacity:
                self.held[CODES] = torch.cat([self.held[CODES], code[None]])
                self.held[LABELS] = torch.cat([self.held[LABELS], torch.tensor([label], dtype=LABEL)])
                continue
            state = State(self.held[LABELS], self.held[OFFERED], self.held[LARGE])
            assert self.policy is not None
            slot = self.policy.place(state, label, random)
            if slot is not None:
                self.held[CODES][slot], self.held[LABELS][slot] = code, label

    def draw(self, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """At most ``count`` different examples: codes uint8 (M, size), labels int64 (M,)."""
        chosen = torch.randperm(len(self), generator=random)[:count]
        return self.held[CODES][chosen], self.held[LABELS][chosen].long()
