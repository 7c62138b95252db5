"""Several processes that share the batches of one training run, started by ``torchrun``.

    torchrun --nproc-per-node 2 --no-python lbt pretrain …

What the processes tell each other; :mod:`lbt.nn.parallel` makes models of it. Each process takes a consecutive share of
every batch. What is exchanged are sums and extremes; sums of integers do not depend on how a batch is split, so the
integer network's weights are the same to the last bit for any number of processes; sums of floats agree to rounding.
Alone (no ``torchrun``) every function here is the identity, and torch.distributed is not touched.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from lbt.errors import LbtError


class World(NamedTuple):
    """This process's number and how many there are."""

    rank: int
    size: int


def world() -> World:
    """Rank and world size; (0, 1) without torchrun."""
    if dist.is_available() and dist.is_initialized():
        return World(dist.get_rank(), dist.get_world_size())
    return World(0, 1)


@contextlib.contextmanager
def joined() -> Iterator[World]:
    """Join the other processes that ``torchrun`` started, and leave them at the end; nothing without ``torchrun``."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or world().size > 1:
        yield world()
        return
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield world()
        dist.barrier()  # who leaves first must not close connections that the others still use
    finally:
        dist.destroy_process_group()


def share(count: int) -> slice:
    """This process's part of ``count`` samples: consecutive, sizes differing by one at most.

    Raises:
        LbtError: fewer samples than processes.
    """
    rank, size = world()
    if count < size:
        raise LbtError(f"a batch of {count} cannot be shared by {size} processes; accepted: at least one sample each")
    small, more = divmod(count, size)
    start = rank * small + min(rank, more)
    return slice(start, start + small + (rank < more))


def total(tensors: list[Tensor], group: Any = None) -> list[Tensor]:
    """The sum over all processes of each tensor (of one dtype), in one message, through ``group`` if given."""
    return _reduced(tensors, dist.ReduceOp.SUM, group)


def average(tensors: list[Tensor], group: Any = None) -> list[Tensor]:
    """The mean over all processes of each tensor (of one floating dtype), in one message."""
    size = world().size
    return [t / size for t in total(tensors, group)] if size > 1 else tensors


def largest(tensors: list[Tensor], group: Any = None) -> list[Tensor]:
    """The elementwise maximum over all processes of each tensor (of one dtype), in one message."""
    return _reduced(tensors, dist.ReduceOp.MAX, group)


def smallest(tensors: list[Tensor], group: Any = None) -> list[Tensor]:
    """The elementwise minimum over all processes of each tensor (of one dtype), in one message."""
    return _reduced(tensors, dist.ReduceOp.MIN, group)


def own_group() -> Any:
    """A process group of lbt's own, for what is exchanged in the middle of a backward pass.

    Messages in it do not get between those of ``DistributedDataParallel``. All processes must make the first call
    together.
    """
    default = dist.group.WORLD
    if default not in _channels:
        _channels.clear()  # of a run that is over
        _channels[default] = dist.new_group()
    return _channels[default]


_channels: dict[Any, Any] = {}


def wait() -> None:
    """Return when every process has come here."""
    if world().size > 1:
        dist.barrier()


def _reduced(tensors: list[Tensor], operation: dist.ReduceOp.RedOpType, group: Any) -> list[Tensor]:
    if world().size == 1 or not tensors:
        return tensors
    flat = torch.cat([t.reshape(-1) for t in tensors])
    dist.all_reduce(flat, operation, group)
    return [part.view(t.shape) for part, t in zip(flat.split([t.numel() for t in tensors]), tensors, strict=True)]
