"""A batch's cells as one flow in which equal nodes, and equal messages between nodes, occur once.

In NAS-Bench-201's 15,625 cells the inner nodes have 131 different states, because a node's state depends only on the
part of the cell that leads into it. So the products are computed once per state, not once per cell; what is left
per cell is one product of its output node and a sum of three messages.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from lbt.nas.predictors.cells import INPUT, Cells


@dataclass(frozen=True)
class Merged:
    """States in a flat table: every member's inner states, padded to I per member, then the output states, to O.

    Attributes:
        members, inner, outer: K, I and O.
        source: int64 (M,), the inner state that each message comes from.
        label: int64 (M,), index into the members' label tables laid end to end (K · kinds rows).
        message, offsets: the messages that arrive at each state, and where each state's begin.
        output: int64 (K, B), the output state of each cell.
    """

    members: int
    inner: int
    outer: int
    source: Tensor
    label: Tensor
    message: Tensor
    offsets: Tensor
    output: Tensor

    def begin(self, information: Tensor) -> Tensor:
        """The state table (K·(I+O), D) in which only the members' input nodes hold their information (K, D)."""
        table = information.new_zeros(self.members * (self.inner + self.outer), information.shape[-1])
        return table.index_copy(0, torch.arange(self.members) * self.inner, information)

    def parts(self, table: Tensor) -> tuple[Tensor, Tensor]:
        """The inner states (K, I, D) and the output states (K, O, D) of a state table."""
        inner, outer = table.split([self.members * self.inner, self.members * self.outer])
        return inner.view(self.members, self.inner, -1), outer.view(self.members, self.outer, -1)

    def arriving(self, moved: Tensor, masks: Tensor) -> Tensor:
        """The sum that arrives at each state (K·(I+O), D): ``mask ⊙ moved`` over the edges that enter it.

        Args:
            moved: (K, I, D), what each inner state sends.
            masks: (K, kinds, D), the mask of each label.
        """
        messages = moved.flatten(0, 1).index_select(0, self.source) * masks.flatten(0, 1).index_select(0, self.label)
        return embedding_bag(self.message, messages, self.offsets, mode="sum")


def merge(batch: Cells, kinds: int) -> Merged:
    """The merged flow of a batch (K, B, …) whose labels are below ``kinds``."""
    members, size, nodes = batch.states.shape
    member = torch.arange(members).view(-1, 1, 1)
    keys = batch.states + member * (batch.states.max() + 1)
    alive = batch.states[..., :-1] >= INPUT
    inner_keys, inner_of, inner_first = _unique(keys[..., :-1][alive])
    _, output_of, output_first = _unique(keys[..., -1].flatten())

    place = torch.arange(members * size * nodes).view(members, size, nodes)
    where = torch.cat([place[..., :-1][alive][inner_first], place[..., -1].flatten()[output_first]])  # (U,)
    owner = where // (size * nodes)
    inner, slot = _places(owner[: len(inner_keys)], members)
    outer, place_of_output = _places(owner[len(inner_keys) :], members)
    output = place_of_output + members * inner
    slots = torch.zeros(members, size, nodes, dtype=torch.int64)
    slots[..., :-1][alive] = slot[inner_of]

    cell, node = where // nodes, where % nodes
    into = batch.labels.reshape(-1, nodes, nodes)[cell, :, node]  # (U, V)
    state, origin = (into >= 0).nonzero(as_tuple=True)
    sent = slots.view(-1, nodes)[cell[state], origin] * kinds + into[state, origin]
    sent, message = sent.unique(return_inverse=True)
    arrivals = torch.zeros(members * (inner + outer), dtype=torch.int64)
    states = torch.cat([slot, output])
    arrivals[states] = state.bincount(minlength=len(where))
    source = sent // kinds
    return Merged(
        members,
        inner,
        outer,
        source,
        source // inner * kinds + sent % kinds,
        message,
        arrivals.cumsum(0) - arrivals,
        output[output_of].view(members, size),
    )


def _places(owner: Tensor, members: int) -> tuple[int, Tensor]:
    """Most states of a member, and the row of each state when every member has that many; ``owner`` is sorted."""
    counts = owner.bincount(minlength=members)
    most = int(counts.max())
    return most, torch.arange(len(owner)) + (torch.arange(members) * most - counts.cumsum(0) + counts)[owner]


def _unique(keys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sorted distinct keys (U,), each key's number among them (N,), and where each occurs first (U,)."""
    distinct, inverse = keys.unique(return_inverse=True)
    first = keys.new_full((len(distinct),), len(keys))
    return distinct, inverse, first.scatter_reduce(0, inverse, torch.arange(len(keys)), "amin")
